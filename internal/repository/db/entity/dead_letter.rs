//! An event that a consumer could not handle.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub consumer: String,
    pub event_id: i64,
    pub position: i64,
    pub topic: String,
    pub event_key: i64,
    pub kind: String,
    pub version: i64,
    pub at: i64,
    pub body: String,
    pub attempts: i32,
    pub error: String,
    pub failed_at: i64,
    /// Whether it is to be tried again.
    pub retry: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
