//! An event. Events of one topic, key and version differ in their kind.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `None` until the sequencer has numbered the event. Unique.
    pub position: Option<i64>,
    pub topic: String,
    pub event_key: i64,
    pub kind: String,
    pub version: i64,
    pub at: i64,
    pub body: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
