//! Pictures of people: decoded within limits, cut to a square, written anew.

use crate::line::{Line, Share};
use async_trait::async_trait;
use bytes::Bytes;
use faceshare_biz::domain::account::{Picture, Portraitist};
use faceshare_biz::domain::{AccountId, Site};
use faceshare_biz::{Error, ErrorCode, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Width and height of what is served.
const SIDE: u32 = 256;
/// Of a JPEG file: hardly to be told from the original at this size.
const QUALITY: u8 = 85;
/// The longest side that is looked at, whatever the number of pixels.
const LONGEST: u32 = 20_000;
/// Bytes that a decoder may take for a pixel: four channels of sixteen bits, and as much again to work with.
const BYTES_PER_PIXEL: u64 = 16;
/// Pictures at a time: each may take a second of a core and a lot of memory.
const CONCURRENCY: usize = 1;

/// Which pictures are made, and how many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortraitSettings {
    /// Pixels of one, at most.
    pub pixels: u64,
    /// Pictures that wait for their turn.
    pub queue: usize,
    /// Pictures of one account, being made or waiting; 0: any number.
    pub per_account: usize,
    /// Pictures from one address, likewise.
    pub per_address: usize,
}

/// Makes portraits.
#[derive(Debug, Clone)]
pub struct Portraits {
    settings: PortraitSettings,
    line: Line,
    turns: Arc<Semaphore>,
}

impl Portraits {
    /// Within these bounds.
    #[must_use]
    pub fn new(settings: PortraitSettings) -> Self {
        let line = Line::new(CONCURRENCY.saturating_add(settings.queue));
        Self { settings, line, turns: Arc::new(Semaphore::new(CONCURRENCY)) }
    }

    /// Does the work when its turn has come, to its end even when nobody waits for it any more.
    async fn beside(&self, account: AccountId, site: Site, work: impl FnOnce() -> Result<Picture> + Send + 'static) -> Result<Picture> {
        let shares = [Share::of_account(account, self.settings.per_account), Share::of_address(site, self.settings.per_address)];
        let place = self
            .line
            .take(shares)
            .map_err(|full| full.error("too many pictures are waiting; try again", "too many of your pictures are waiting; try again"))?;
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::internal)?;
        let work = move || {
            let made = work();
            drop((turn, place));
            made
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }
}

#[async_trait]
impl Portraitist for Portraits {
    async fn portrait(&self, upload: Bytes, account: AccountId, site: Site) -> Result<Picture> {
        let pixels = self.settings.pixels;
        self.beside(account, site, move || make(&upload, pixels)).await
    }
}

fn make(upload: &[u8], pixels: u64) -> Result<Picture> {
    let picture = decode(upload, pixels)?;
    let side = picture.width().min(picture.height());
    let square = picture.crop_imm((picture.width() - side) / 2, (picture.height() - side) / 2, side, side);
    let small = if side < SIDE { square.resize_exact(SIDE, SIDE, FilterType::Triangle) } else { square.thumbnail_exact(SIDE, SIDE) };
    encode(&small)
}

/// Looks at size and kind before anything is decoded.
fn decode(upload: &[u8], pixels: u64) -> Result<DynamicImage> {
    let format = image::guess_format(upload).ok().filter(|f| matches!(f, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP));
    let format = format.ok_or_else(|| Error::new(ErrorCode::UnsupportedMediaType, "the picture must be a PNG, JPEG or WebP file"))?;
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
        return Err(Error::invalid("", format!("the picture has {width} by {height} pixels; at most {pixels} are allowed")));
    }
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// As JPEG, or as PNG where something shows through.
fn encode(small: &DynamicImage) -> Result<Picture> {
    let mut bytes = Vec::new();
    if small.color().has_alpha() {
        small.to_rgba8().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).map_err(Error::internal)?;
        return Ok(Picture { media_type: "image/png".to_owned(), bytes: bytes.into() });
    }
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&small.to_rgb8()).map_err(Error::internal)?;
    Ok(Picture { media_type: "image/jpeg".to_owned(), bytes: bytes.into() })
}

#[cfg(test)]
mod tests {
    use super::{PortraitSettings, Portraits, SIDE};
    use crate::polled::polled;
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::{Picture, Portraitist};
    use faceshare_biz::domain::{AccountId, Site};
    use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};
    use std::io::Cursor;
    use std::net::IpAddr;
    use std::sync::mpsc;

    const SETTINGS: PortraitSettings = PortraitSettings { pixels: 1_000_000, queue: 8, per_account: 0, per_address: 0 };

    /// One account at one address.
    fn who(account: u64, host: u8) -> (AccountId, Site) {
        let address = IpAddr::from([10, 0, 0, host]);
        (AccountId::new(account).expect("an id"), Site { address, network: IpAddr::from([10, 0, 0, 0]) })
    }

    async fn portrait(pixels: u64, upload: bytes::Bytes) -> faceshare_biz::Result<Picture> {
        let (account, site) = who(1, 1);
        Portraits::new(PortraitSettings { pixels, ..SETTINGS }).portrait(upload, account, site).await
    }

    fn file(picture: &DynamicImage, format: ImageFormat) -> bytes::Bytes {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).expect("encoded");
        bytes.into()
    }

    #[tokio::test]
    async fn whatever_comes_becomes_a_small_square() {
        let (opaque, clear) = (DynamicImage::ImageRgb8(RgbImage::new(300, 700)), DynamicImage::ImageRgba8(RgbaImage::new(64, 32)));
        for (picture, format, media_type) in [
            (&opaque, ImageFormat::Png, "image/jpeg"),
            (&opaque, ImageFormat::Jpeg, "image/jpeg"),
            (&opaque, ImageFormat::WebP, "image/jpeg"),
            (&clear, ImageFormat::Png, "image/png"),
        ] {
            let portrait = portrait(1_000_000, file(picture, format)).await.expect("a portrait");
            assert_eq!(portrait.media_type, media_type, "{format:?}");
            let read = image::load_from_memory(&portrait.bytes).expect("decoded");
            assert_eq!((read.width(), read.height()), (SIDE, SIDE));
        }
    }

    #[tokio::test]
    async fn what_is_no_picture_or_too_large_is_refused_before_it_is_decoded() {
        let refused = async |upload: bytes::Bytes| portrait(10_000, upload).await.expect_err("refused").code;
        let large = file(&DynamicImage::ImageRgb8(RgbImage::new(101, 100)), ImageFormat::Png);
        assert_eq!(refused(large.clone()).await, ErrorCode::InvalidArgument);
        assert_eq!(refused(large.slice(..40)).await, ErrorCode::InvalidArgument);
        for other in [&b""[..], b"GIF89a......", b"<svg/>", b"BM"] {
            assert_eq!(refused(bytes::Bytes::from_static(other)).await, ErrorCode::UnsupportedMediaType);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_person_and_one_address_take_no_more_than_their_share() {
        let portraits = Portraits::new(PortraitSettings { queue: 4, per_account: 2, per_address: 3, ..SETTINGS });
        let upload = file(&DynamicImage::ImageRgb8(RgbImage::new(64, 64)), ImageFormat::Png);
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let runner = portraits.clone();
        let running = tokio::spawn(async move {
            let work = move || {
                let _ = began.send(());
                held.recv().map_err(faceshare_biz::Error::internal)?;
                Ok(Picture { media_type: "image/png".to_owned(), bytes: bytes::Bytes::new() })
            };
            let (account, site) = who(1, 1);
            runner.beside(account, site, work).await
        });
        begun.await.expect("it runs");

        let ask = |(account, site)| polled(portraits.portrait(upload.clone(), account, site));
        let mut waiting = Vec::new();
        for free in [who(1, 1), who(2, 1), who(3, 2), who(4, 2)] {
            waiting.push(ask(free));
            assert!(waiting.last_mut().expect("one").poll_once().await.is_none(), "{free:?} waits");
        }
        for (spent, code) in [(who(1, 2), ErrorCode::RateLimited), (who(5, 1), ErrorCode::RateLimited), (who(6, 3), ErrorCode::Unavailable)]
        {
            let refused = ask(spent).finish().await.expect_err("no place");
            assert!(refused.code == code && refused.retry_after.is_some(), "{spent:?}: {refused:?}");
        }
        release.send(()).expect("it runs");
        running.await.expect("ends").expect("a picture");
        for waited in waiting {
            waited.finish().await.expect("a portrait");
        }
        ask(who(1, 1)).finish().await.expect("its share is free again");
    }
}
