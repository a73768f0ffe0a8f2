//! Pictures in a prompt.

use std::fmt;
use std::sync::Arc;

/// A picture, decoded. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    rgb: Arc<[u8]>,
}

/// The pixels are not as many as width and height say, or there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are no picture of {width} x {height} pixels")]
pub struct NotAnImage {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes that were given, where three times the pixels are right.
    pub bytes: usize,
}

impl Image {
    /// A picture of rows from the top, pixels from the left, three bytes each: red, green and blue.
    ///
    /// # Errors
    /// [`NotAnImage`]: engines read as many bytes as width and height say, whether they are there or not.
    pub fn new(width: u32, height: u32, rgb: impl Into<Arc<[u8]>>) -> Result<Self, NotAnImage> {
        let rgb = rgb.into();
        let bytes = u64::from(width) * u64::from(height) * 3;
        // Engines count the bytes in 32 bits.
        let countable = u32::try_from(bytes).is_ok_and(|bytes| bytes > 0);
        if countable && rgb.len() as u64 == bytes {
            Ok(Self { width, height, rgb })
        } else {
            Err(NotAnImage { width, height, bytes: rgb.len() })
        }
    }

    /// Pixels in a row, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, three bytes each.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pixels would fill the log.
        write!(f, "Image({} x {})", self.width, self.height)
    }
}

/// A picture among the words of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedImage {
    /// The byte of the message's content before which it stands; at most the content's length, and between characters.
    pub at: usize,
    /// The picture.
    pub image: Image,
}

#[cfg(test)]
mod tests {
    use super::{Image, NotAnImage};

    #[test]
    fn a_picture_has_three_bytes_for_each_pixel() {
        assert!(Image::new(2, 1, [0; 6]).is_ok());
        for (width, height) in [(2, 2), (0, 6), (6, 0), (1, 1)] {
            assert_eq!(Image::new(width, height, [0; 6]), Err(NotAnImage { width, height, bytes: 6 }));
        }
    }

    /// In 32 bits these dimensions are six bytes.
    #[test]
    fn dimensions_that_overflow_are_refused() {
        assert!(Image::new(1 << 31, 3, [0; 6]).is_err());
        assert!(Image::new(1_431_655_766, 1, [0; 2]).is_err());
    }
}
