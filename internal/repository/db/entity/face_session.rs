//! A session, as the directory lists it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "face_sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    pub title: String,
    pub host_id: i64,
    pub admission: String,
    pub admission_forced: bool,
    pub locked: bool,
    pub host_left: String,
    pub max_members: i64,
    pub member_count: i64,
    pub created_at: i64,
    pub ended_at: Option<i64>,
    pub end_reason: Option<String>,
    /// The index of the log entry that the row was last written after; 0 before the log began.
    pub log_index: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
