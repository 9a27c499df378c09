//! A number code. A session has at most one that is not retired.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "number_codes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub fingerprint: Vec<u8>,
    pub sealed: String,
    pub session_id: i64,
    pub created_at: i64,
    pub expires_at: i64,
    pub retired_until: Option<i64>,
    /// The session, while the code is not retired. Unique.
    pub live_session: Option<i64>,
    pub effect: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
