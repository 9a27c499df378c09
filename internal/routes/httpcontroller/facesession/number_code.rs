//! JSON form of number codes.

use crate::text::TimeText;
use faceshare_logic::facesession::ShownCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The short number by which a session is found. A secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NumberCode)]
pub struct NumberCodeView {
    /// 6 to 12 digits.
    #[schema(example = "274158", pattern = r"^\d{6,12}$")]
    code: String,
    /// When the code expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: TimeText,
}

impl From<ShownCode> for NumberCodeView {
    fn from(shown: ShownCode) -> Self {
        Self {
            code: shown.code.digits().to_owned(),
            expires_at: TimeText(shown.expires_at),
        }
    }
}

/// A number code.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NumberCodeAnswer {
    /// The number code.
    pub number_code: NumberCodeView,
}

impl From<ShownCode> for NumberCodeAnswer {
    fn from(shown: ShownCode) -> Self {
        Self {
            number_code: shown.into(),
        }
    }
}
