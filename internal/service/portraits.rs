//! Pictures of people: decoded within limits, cropped to a square, encoded again.

use crate::permits::{Permit, Permits};
use crate::quota::Quota;
use async_trait::async_trait;
use bytes::Bytes;
use faceshare_biz::domain::account::{Picture, PicturePermit, PictureProcessor};
use faceshare_biz::domain::{AccountId, Site};
use faceshare_biz::{Error, ErrorCode, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Width and height of a served picture, in pixels.
const SIDE: u32 = 256;
/// JPEG quality: at this size hardly different from the original.
const QUALITY: u8 = 85;
/// The longest side of an upload in pixels, whatever the number of pixels.
const LONGEST: u32 = 20_000;
/// Bytes that a decoder may take for each pixel: four channels of sixteen bits, and as much again
/// as working memory.
const BYTES_PER_PIXEL: u64 = 16;
/// Pictures that are decoded at the same time: each may take a second of a core and much memory.
const CONCURRENCY: usize = 1;

/// The limits of uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortraitSettings {
    /// Pixels of one upload, at most.
    pub pixels: u64,
    /// Uploads that are being received or wait to be decoded.
    pub queue: usize,
    /// Uploads of one account, received, waiting or being decoded; 0 sets no limit.
    pub per_account: usize,
    /// Uploads from one address, likewise.
    pub per_address: usize,
}

/// Makes portraits of uploads.
#[derive(Debug, Clone)]
pub struct Portraits {
    settings: PortraitSettings,
    permits: Permits,
    decoders: Arc<Semaphore>,
}

impl Portraits {
    /// Makes portraits within these limits.
    #[must_use]
    pub fn new(settings: PortraitSettings) -> Self {
        let permits = Permits::new(CONCURRENCY.saturating_add(settings.queue));
        Self {
            settings,
            permits,
            decoders: Arc::new(Semaphore::new(CONCURRENCY)),
        }
    }

    fn take(&self, account: AccountId, site: Site) -> Result<UploadPermit> {
        let quotas = [
            Quota::of_account(account, self.settings.per_account),
            Quota::of_address(site, self.settings.per_address),
            Quota::of_prefix(site),
        ];
        let permit = self.permits.take(quotas);
        let permit = permit.map_err(|full| {
            full.error(
                "too many pictures are waiting; try again",
                "too many of your pictures are waiting; try again",
            )
        })?;
        Ok(UploadPermit {
            permit,
            pixels: self.settings.pixels,
            decoders: self.decoders.clone(),
        })
    }
}

impl PictureProcessor for Portraits {
    fn admit(&self, account: AccountId, site: Site) -> Result<Box<dyn PicturePermit>> {
        Ok(Box::new(self.take(account, site)?))
    }
}

/// The permit of one upload, held from before it is received until it is decoded.
struct UploadPermit {
    permit: Permit<3>,
    pixels: u64,
    decoders: Arc<Semaphore>,
}

impl UploadPermit {
    /// Waits for a decoder and runs the work. Work that has begun is finished and holds its permit
    /// until then, also when the caller stops waiting.
    async fn run(self, work: impl FnOnce() -> Result<Picture> + Send + 'static) -> Result<Picture> {
        let decoder = self
            .decoders
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        let permit = self.permit;
        let work = move || {
            let made = work();
            drop((decoder, permit));
            made
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }
}

#[async_trait]
impl PicturePermit for UploadPermit {
    async fn portrait(self: Box<Self>, upload: Bytes) -> Result<Picture> {
        let pixels = self.pixels;
        self.run(move || make(&upload, pixels)).await
    }
}

fn make(upload: &[u8], pixels: u64) -> Result<Picture> {
    let picture = decode(upload, pixels)?;
    let side = picture.width().min(picture.height());
    let square = picture.crop_imm(
        (picture.width() - side) / 2,
        (picture.height() - side) / 2,
        side,
        side,
    );
    let small = if side < SIDE {
        square.resize_exact(SIDE, SIDE, FilterType::Triangle)
    } else {
        square.thumbnail_exact(SIDE, SIDE)
    };
    encode(&small)
}

/// Checks size and format before anything is decoded.
fn decode(upload: &[u8], pixels: u64) -> Result<DynamicImage> {
    let format = image::guess_format(upload)
        .ok()
        .filter(|f| matches!(f, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP));
    let format = format.ok_or_else(|| {
        Error::new(
            ErrorCode::UnsupportedMediaType,
            "the picture must be a PNG, JPEG or WebP file",
        )
    })?;
    let unreadable = |_| Error::invalid("", "the picture cannot be decoded");
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST);
    limits.max_image_height = Some(LONGEST);
    limits.max_alloc = Some(pixels.saturating_mul(BYTES_PER_PIXEL));
    let mut reader = ImageReader::with_format(Cursor::new(upload), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let found = u64::from(width) * u64::from(height);
    if found == 0 || found > pixels {
        return Err(Error::invalid(
            "",
            format!("the picture has {width} by {height} pixels; at most {pixels} are allowed"),
        ));
    }
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// As JPEG, or as PNG if the picture has transparency.
fn encode(small: &DynamicImage) -> Result<Picture> {
    let mut bytes = Vec::new();
    if small.color().has_alpha() {
        small
            .to_rgba8()
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .map_err(Error::internal)?;
        return Ok(Picture {
            media_type: "image/png".to_owned(),
            bytes: bytes.into(),
        });
    }
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(&small.to_rgb8())
        .map_err(Error::internal)?;
    Ok(Picture {
        media_type: "image/jpeg".to_owned(),
        bytes: bytes.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::{PortraitSettings, Portraits, SIDE};
    use crate::polled::polled;
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::{Picture, PicturePermit as _, PictureProcessor as _};
    use faceshare_biz::domain::{AccountId, Site};
    use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};
    use std::io::Cursor;
    use std::net::IpAddr;
    use std::sync::mpsc;

    const SETTINGS: PortraitSettings = PortraitSettings {
        pixels: 1_000_000,
        queue: 8,
        per_account: 0,
        per_address: 0,
    };

    /// An account and an address with a prefix of its own.
    fn uploader(account: u64, host: u8) -> (AccountId, Site) {
        let address = IpAddr::from([10, host, 0, 1]);
        (
            AccountId::new(account).expect("an id"),
            Site {
                address,
                network: IpAddr::from([10, host, 0, 0]),
            },
        )
    }

    async fn portrait(pixels: u64, upload: bytes::Bytes) -> faceshare_biz::Result<Picture> {
        let (account, site) = uploader(1, 1);
        let permit =
            Portraits::new(PortraitSettings { pixels, ..SETTINGS }).admit(account, site)?;
        permit.portrait(upload).await
    }

    fn file(picture: &DynamicImage, format: ImageFormat) -> bytes::Bytes {
        let mut bytes = Vec::new();
        picture
            .write_to(&mut Cursor::new(&mut bytes), format)
            .expect("encoded");
        bytes.into()
    }

    #[tokio::test]
    async fn every_upload_becomes_a_small_square() {
        let (opaque, clear) = (
            DynamicImage::ImageRgb8(RgbImage::new(300, 700)),
            DynamicImage::ImageRgba8(RgbaImage::new(64, 32)),
        );
        for (picture, format, media_type) in [
            (&opaque, ImageFormat::Png, "image/jpeg"),
            (&opaque, ImageFormat::Jpeg, "image/jpeg"),
            (&opaque, ImageFormat::WebP, "image/jpeg"),
            (&clear, ImageFormat::Png, "image/png"),
        ] {
            let portrait = portrait(1_000_000, file(picture, format))
                .await
                .expect("a portrait");
            assert_eq!(portrait.media_type, media_type, "{format:?}");
            let read = image::load_from_memory(&portrait.bytes).expect("decoded");
            assert_eq!((read.width(), read.height()), (SIDE, SIDE));
        }
    }

    #[tokio::test]
    async fn what_is_no_picture_or_too_large_is_refused_before_it_is_decoded() {
        let refused =
            async |upload: bytes::Bytes| portrait(10_000, upload).await.expect_err("refused").code;
        let large = file(
            &DynamicImage::ImageRgb8(RgbImage::new(101, 100)),
            ImageFormat::Png,
        );
        assert_eq!(refused(large.clone()).await, ErrorCode::InvalidArgument);
        assert_eq!(refused(large.slice(..40)).await, ErrorCode::InvalidArgument);
        for other in [&b""[..], b"GIF89a......", b"<svg/>", b"BM"] {
            assert_eq!(
                refused(bytes::Bytes::from_static(other)).await,
                ErrorCode::UnsupportedMediaType
            );
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_account_and_one_address_hold_no_more_than_their_quotas() {
        let portraits = Portraits::new(PortraitSettings {
            queue: 5,
            per_account: 2,
            per_address: 3,
            ..SETTINGS
        });
        let upload = file(
            &DynamicImage::ImageRgb8(RgbImage::new(64, 64)),
            ImageFormat::Png,
        );
        let take = |(account, site): (AccountId, Site)| portraits.take(account, site);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let running = take(uploader(1, 1)).expect("a permit");
        let running = tokio::spawn(running.run(move || {
            let _ = began.send(());
            held.recv().map_err(faceshare_biz::Error::internal)?;
            Ok(Picture {
                media_type: "image/png".to_owned(),
                bytes: bytes::Bytes::new(),
            })
        }));
        begun.await.expect("it runs");

        let mut waiting = Vec::new();
        for free in [uploader(1, 1), uploader(2, 1), uploader(3, 2)] {
            let permit = Box::new(take(free).expect("a permit"));
            waiting.push(polled(permit.portrait(upload.clone())));
            assert!(
                waiting.last_mut().expect("one").poll_once().await.is_none(),
                "{free:?} waits"
            );
        }
        // An upload that is still being received holds a permit, too.
        let receiving = [
            take(uploader(4, 2)).expect("a permit"),
            take(uploader(6, 3)).expect("a permit"),
        ];
        for (spent, code) in [
            (uploader(1, 4), ErrorCode::RateLimited),
            (uploader(5, 1), ErrorCode::RateLimited),
            (uploader(7, 4), ErrorCode::Unavailable),
        ] {
            let refused = take(spent).err().expect("refused");
            assert!(
                refused.code == code && refused.retry_after.is_some(),
                "{spent:?}: {refused:?}"
            );
        }
        drop(receiving);
        take(uploader(7, 4)).expect("given up and free again");
        release.send(()).expect("it runs");
        running.await.expect("ends").expect("a picture");
        for waited in waiting {
            waited.finish().await.expect("a portrait");
        }
        take(uploader(1, 1)).expect("its quota is free again");
    }
}
