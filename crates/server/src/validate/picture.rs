//! From a picture's file to pixels.
//!
//! Pictures are decoded here, in Rust and within limits, and the engine gets pixels only: no file that a client sends
//! reaches a C library or another program. The size is looked at before anything is unpacked, since a file of a few
//! kilobytes can hold gigabytes of one colour.

use std::io::Cursor;

use backend::Image;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits};

/// Pixels of a picture at most. 16 million are 48 MiB unpacked, and a camera's picture has 12.
pub(crate) const PIXELS_MAX: u64 = 16 << 20;

/// Pixels of a picture that are kept, while it waits with its request; larger ones are scaled down. Models look at one
/// or two million at most. All pictures of a request together keep [`PIXELS_MAX`] pixels at most, of three bytes each.
pub(crate) const PIXELS_KEPT_MAX: u64 = 1 << 20;

/// What a decoder may take besides the pixels that it gives, in bytes.
const WORK_MAX_BYTES: u64 = 64 << 20;

/// What is understood. A GIF's first picture counts.
const FORMATS: [(ImageFormat, &str); 5] = [
    (ImageFormat::Png, "PNG"),
    (ImageFormat::Jpeg, "JPEG"),
    (ImageFormat::WebP, "WebP"),
    (ImageFormat::Gif, "GIF"),
    (ImageFormat::Bmp, "BMP"),
];

/// Reads the picture in what follows `data:` in a data URL.
///
/// # Errors
/// What is wrong, as a sentence whose subject is the picture.
pub(crate) fn from_data(data: &str) -> Result<Image, String> {
    let Some((kind, data)) = data.split_once(',') else {
        return Err("is a data URL without a comma: write data:image/png;base64,...".to_owned());
    };
    if !kind.ends_with(";base64") {
        return Err("must be in base64: write data:image/png;base64,...".to_owned());
    }
    // The media type is not looked at: the bytes say what they are, and clients often do not know.
    from_base64(data)
}

/// Reads the picture in a text of base64.
///
/// # Errors
/// As [`from_data`].
pub(crate) fn from_base64(text: &str) -> Result<Image, String> {
    let bytes = STANDARD.decode(text.trim()).map_err(|error| format!("is not valid base64: {error}"))?;
    from_bytes(&bytes)
}

/// Decodes the bytes of a picture's file.
///
/// # Errors
/// As [`from_data`].
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Image, String> {
    let names = || FORMATS.map(|(_, name)| name).join(", ");
    let format = image::guess_format(bytes).ok().filter(|format| FORMATS.iter().any(|(known, _)| known == format));
    let format = format.ok_or_else(|| format!("is not a picture that this server reads: {}", names()))?;
    let (width, height) = reader(bytes, format).into_dimensions().map_err(|error| broken(&error))?;
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(format!("has {width} x {height} pixels, and {PIXELS_MAX} in all are the most: make it smaller"));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(3 * PIXELS_MAX * 2 + WORK_MAX_BYTES);
    let mut reader = reader(bytes, format);
    reader.limits(limits);
    let pixels = smaller(reader.decode().map_err(|error| broken(&error))?).into_rgb8();
    Image::new(pixels.width(), pixels.height(), pixels.into_raw()).map_err(|error| format!("is no picture: {error}"))
}

/// The picture, or one of the same proportions that has few enough pixels to be kept.
fn smaller(picture: DynamicImage) -> DynamicImage {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let scale = (PIXELS_KEPT_MAX as f64 / (width * height)).sqrt();
    if scale >= 1.0 {
        return picture;
    }
    // At least a pixel: one of 16 million by 1 is a picture as well.
    let scaled = |side: f64| (side * scale).floor().clamp(1.0, PIXELS_KEPT_MAX as f64) as u32;
    picture.thumbnail_exact(scaled(width), scaled(height))
}

fn reader(bytes: &[u8], format: ImageFormat) -> ImageReader<Cursor<&[u8]>> {
    ImageReader::with_format(Cursor::new(bytes), format)
}

fn broken(error: &ImageError) -> String {
    format!("is a broken picture: {error}")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use image::{ImageFormat, Rgb, RgbImage};

    use super::{FORMATS, PIXELS_KEPT_MAX, from_bytes, from_data};

    /// Two pixels, red and blue, as a file.
    fn file(format: ImageFormat) -> Vec<u8> {
        let mut pixels = RgbImage::new(16, 16);
        for (x, _, pixel) in pixels.enumerate_pixels_mut() {
            *pixel = if x < 8 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) };
        }
        let mut file = Cursor::new(Vec::new());
        pixels.write_to(&mut file, format).expect("every format can be written");
        file.into_inner()
    }

    fn data(kind: &str, bytes: &[u8]) -> String {
        format!("{kind};base64,{}", STANDARD.encode(bytes))
    }

    #[test]
    fn every_format_is_read_whatever_it_calls_itself() {
        for (format, name) in FORMATS {
            let picture = from_data(&data("image/x", &file(format))).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((picture.width(), picture.height()), (16, 16), "{name}");
            let (first, last) = (&picture.rgb()[..3], &picture.rgb()[16 * 3 - 3..16 * 3]);
            assert!(first[0] > 200 && first[2] < 60, "{name}: {first:?} is red");
            assert!(last[0] < 60 && last[2] > 200, "{name}: {last:?} is blue");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_with_what_would_be_right() {
        let png = file(ImageFormat::Png);
        let cases = [
            ("image/png;base64".to_owned(), "without a comma"),
            ("image/png,abc".to_owned(), "must be in base64"),
            ("image/png;base64,a b!".to_owned(), "not valid base64"),
            (data("image/png", b"GGUF is no picture"), "PNG, JPEG, WebP, GIF, BMP"),
            (data("image/tiff", b"II*\0\x08\0\0\0\0\0"), "PNG, JPEG, WebP, GIF, BMP"),
            (data("image/png", &png[..png.len() / 2]), "broken picture"),
            (data("image/png", b""), "PNG, JPEG"),
        ];
        for (data, reason) in cases {
            let refused = from_data(&data).expect_err("no picture");
            assert!(refused.contains(reason), "{refused}");
        }
    }

    /// A file of some kilobytes that says it has 65,000 x 65,000 pixels must not be unpacked to see whether it has.
    #[test]
    fn a_picture_that_is_too_large_is_refused_by_its_header() {
        let mut bmp = file(ImageFormat::Bmp);
        bmp[18..22].copy_from_slice(&65_000_u32.to_le_bytes());
        bmp[22..26].copy_from_slice(&65_000_u32.to_le_bytes());
        let refused = from_bytes(&bmp).expect_err("too large");
        assert!(refused.contains("65000 x 65000 pixels"), "{refused}");
    }

    /// A request waits with its pictures, and many may wait.
    #[test]
    fn a_large_picture_is_kept_small_and_in_its_proportions() {
        let mut file = Cursor::new(Vec::new());
        RgbImage::from_pixel(4000, 1000, Rgb([9, 200, 30])).write_to(&mut file, ImageFormat::Png).expect("a picture");
        let picture = from_bytes(file.get_ref()).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (2048, 512));
        assert!(picture.rgb().chunks(3).all(|pixel| pixel == [9, 200, 30]));
        let mut file = Cursor::new(Vec::new());
        RgbImage::new(1, 3_000_000).write_to(&mut file, ImageFormat::Png).expect("a picture");
        let picture = from_bytes(file.get_ref()).expect("a picture");
        assert!(picture.width() == 1 && u64::from(picture.height()) <= PIXELS_KEPT_MAX, "{picture:?}");
    }

    /// Cut anywhere, or with any byte changed, it is a picture or an error, and never a panic.
    #[test]
    fn broken_files_never_panic() {
        for (format, _) in FORMATS {
            let file = file(format);
            for at in 0..file.len().min(400) {
                let _ = from_bytes(&file[..at]);
                for flip in [0x01, 0x80, 0xff] {
                    let mut broken = file.clone();
                    broken[at] ^= flip;
                    let _ = from_bytes(&broken);
                }
            }
        }
    }
}
