//! JSON form of invite links.

use crate::links::PublicBase;
use crate::text::TimeText;
use faceshare_biz::Error;
use faceshare_logic::facesession::ShownInvite;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Serialize;
use utoipa::ToSchema;

/// Width and height of the QR code in pixels, unscaled.
const QR_SIDE: u32 = 240;

/// An invite link. A secret in each of its forms.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteAnswer {
    /// The link for browsers, also in the QR code. The secret is in the fragment, which no browser
    /// sends to a server.
    #[schema(example = "https://face.example/j#Rk9…")]
    web_url: String,
    /// The link for the app.
    #[schema(example = "faceshare://join#Rk9…")]
    app_url: String,
    /// The token for `prejoin`.
    #[schema(example = "Rk9…")]
    invite_token: String,
    /// When the invite expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: TimeText,
    /// The QR code, as an SVG document.
    #[schema(example = "<svg …>")]
    qr_svg: String,
}

impl InviteAnswer {
    /// Builds the links on this base.
    ///
    /// # Errors
    /// `INTERNAL` when the link is too long for a QR code, with a `http.public_url` of about 2 KiB.
    pub fn new(shown: ShownInvite, base: &PublicBase) -> Result<Self, Error> {
        let web_url = base.link(&format!("/j#{}", shown.secret));
        let qr = QrCode::new(&web_url).map_err(Error::internal)?;
        Ok(Self {
            qr_svg: qr
                .render::<svg::Color<'_>>()
                .min_dimensions(QR_SIDE, QR_SIDE)
                .build(),
            app_url: format!("faceshare://join#{}", shown.secret),
            invite_token: shown.secret,
            expires_at: TimeText(shown.expires_at),
            web_url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::InviteAnswer;
    use crate::links::{LinkSettings, Links};
    use faceshare_biz::domain::Timestamp;
    use faceshare_logic::facesession::ShownInvite;
    use network::LocalMachine;

    #[test]
    fn the_secret_is_in_the_fragment_only() {
        let settings = LinkSettings {
            public_url: Some("https://face.example".into()),
            allowed_hosts: vec![],
            listen: "127.0.0.1:1".parse().expect("an address"),
            tls: false,
        };
        let links = Links::new(settings, LocalMachine::new("", Vec::new));
        let shown = ShownInvite {
            secret: "S3cret_-".into(),
            expires_at: Timestamp::from_millis(0),
            max_uses: None,
            uses: 0,
        };
        let answer = InviteAnswer::new(shown, &links.base(None)).expect("fits");
        let json = serde_json::to_value(answer).expect("serialises");
        assert_eq!(json["webUrl"], "https://face.example/j#S3cret_-");
        assert_eq!(json["appUrl"], "faceshare://join#S3cret_-");
        assert_eq!(json["inviteToken"], "S3cret_-");
        assert!(
            json["qrSvg"]
                .as_str()
                .is_some_and(|svg| svg.contains("<svg"))
        );
    }
}
