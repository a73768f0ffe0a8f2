//! As much of SVG as the picture needs.

use std::fmt::{Arguments, Write};

/// A picture under construction. Lengths are in pixels at its natural size.
pub(crate) struct Svg {
    width: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64) -> Self {
        Self { width, body: String::new() }
    }

    fn put(&mut self, element: Arguments<'_>) {
        writeln!(self.body, "{element}").expect("a String takes everything");
    }

    /// `anchor` is start, middle or end.
    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
        let text = escaped(text);
        self.put(format_args!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#));
    }

    /// Nothing, where it would have no width.
    pub(crate) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
        if width > 0.2 {
            self.put(format_args!(
                r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}"/>"#
            ));
        }
    }

    pub(crate) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        self.put(format_args!(r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#));
    }

    /// The picture as a file of its own, this high.
    pub(crate) fn finish(self, height: f64) -> String {
        let Self { width, body } = self;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="Helvetica, Arial, sans-serif">
<defs>
<pattern id="wait" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" fill="#fff"/><line x1="0" y1="0" x2="0" y2="6" stroke="#999" stroke-width="1.6"/>
</pattern>
</defs>
<style>
text {{ font-size: 12px; fill: #111 }}
.title {{ font-size: 17px; font-weight: bold }}
.head {{ font-size: 13.5px; font-weight: bold }}
.small {{ font-size: 11px; fill: #444 }}
.ratio {{ font-size: 13px; font-weight: bold }}
.in {{ font-size: 11px; fill: #fff }}
.wait {{ fill: url(#wait); stroke: #777; stroke-width: 0.8 }}
.hold {{ fill: #16324f; stroke: #16324f; stroke-width: 0.8 }}
.grid {{ stroke: #d5d5d5; stroke-width: 1 }}
.axis {{ stroke: #555; stroke-width: 1.2 }}
.left {{ stroke: #b00020; stroke-width: 2.4 }}
.gone {{ font-size: 11px; font-weight: bold; fill: #b00020 }}
</style>
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##
        )
    }
}

/// The text with what means something in XML escaped.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_escaped_and_what_has_no_width_is_left_out() {
        let mut svg = Svg::new(10.0);
        svg.text((1.0, 2.0), "start", "head", "a <b> & c");
        svg.bar((0.0, 0.0), (0.0, 5.0), "hold");
        let picture = svg.finish(10.0);
        assert!(picture.contains(">a &lt;b&gt; &amp; c</text>"));
        assert!(!picture.contains(r#"class="hold""#));
    }
}
