//! Pictures of people: decoded within limits, cut to a square, written anew.

use async_trait::async_trait;
use bytes::Bytes;
use faceshare_biz::domain::account::{Picture, Portraitist};
use faceshare_biz::{Error, ErrorCode, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;
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
/// Pictures that wait.
const QUEUE: usize = 8;
/// When one who found the queue full should try again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Makes portraits.
#[derive(Debug, Clone)]
pub struct Portraits {
    pixels: u64,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Portraits {
    /// Of pictures of at most `pixels` pixels.
    #[must_use]
    pub fn new(pixels: u64) -> Self {
        Self { pixels, places: Arc::new(Semaphore::new(CONCURRENCY + QUEUE)), turns: Arc::new(Semaphore::new(CONCURRENCY)) }
    }
}

#[async_trait]
impl Portraitist for Portraits {
    async fn portrait(&self, upload: Bytes) -> Result<Picture> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(Error::new(ErrorCode::Unavailable, "too many pictures are waiting; try again").retry_after(RETRY_AFTER));
        };
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::internal)?;
        let pixels = self.pixels;
        let work = move || {
            let made = make(&upload, pixels);
            drop((turn, place));
            made
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
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
    use super::{Portraits, SIDE};
    use faceshare_biz::ErrorCode;
    use faceshare_biz::domain::account::Portraitist;
    use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};
    use std::io::Cursor;

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
            let portrait = Portraits::new(1_000_000).portrait(file(picture, format)).await.expect("a portrait");
            assert_eq!(portrait.media_type, media_type, "{format:?}");
            let read = image::load_from_memory(&portrait.bytes).expect("decoded");
            assert_eq!((read.width(), read.height()), (SIDE, SIDE));
        }
    }

    #[tokio::test]
    async fn what_is_no_picture_or_too_large_is_refused_before_it_is_decoded() {
        let refused = async |upload: bytes::Bytes| Portraits::new(10_000).portrait(upload).await.expect_err("refused").code;
        let large = file(&DynamicImage::ImageRgb8(RgbImage::new(101, 100)), ImageFormat::Png);
        assert_eq!(refused(large.clone()).await, ErrorCode::InvalidArgument);
        assert_eq!(refused(large.slice(..40)).await, ErrorCode::InvalidArgument);
        for other in [&b""[..], b"GIF89a......", b"<svg/>", b"BM"] {
            assert_eq!(refused(bytes::Bytes::from_static(other)).await, ErrorCode::UnsupportedMediaType);
        }
    }
}
