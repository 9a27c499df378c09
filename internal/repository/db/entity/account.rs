//! An account or a guest.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    pub username: Option<String>,
    pub username_key: Option<String>,
    pub nickname: String,
    pub avatar_url: String,
    pub created_at: i64,
    pub password_hash: Option<String>,
    /// The effect id of the call that promoted it from a guest.
    pub effect: Option<i64>,
    /// Rises with each change that an event tells of.
    pub version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
