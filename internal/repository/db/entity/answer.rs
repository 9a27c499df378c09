//! The answer to a call, or the place reserved for it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "answers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub call: Vec<u8>,
    pub account_id: i64,
    pub request: Vec<u8>,
    pub attempt: i64,
    pub effect: i64,
    pub process: i64,
    pub sealed: Option<String>,
    pub expires_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
