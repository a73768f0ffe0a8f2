//! As much of SVG as the plots need: black, white and greys, so that they read the same in print.

use std::fmt::{Display, Write};

/// How a text stands at its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that grows from top to bottom.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    fn put(&mut self, element: impl Display) {
        writeln!(self.body, "{element}").expect("a string takes everything");
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.put(format_args!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#));
    }

    pub(crate) fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, class: &str) {
        self.put(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}"/>"#
        ));
    }

    /// A line through all these points.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
        self.put(format_args!(r#"<polyline points="{points}" class="{class}"/>"#));
    }

    pub(crate) fn dot(&mut self, (x, y): (f64, f64), class: &str) {
        self.put(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" class="{class}"/>"#));
    }

    pub(crate) fn finish(self) -> String {
        let Self { width, height, body } = self;
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}">
<style>
text {{ font: 12px sans-serif; fill: #000 }}
.title {{ font-size: 16px; font-weight: bold }}
.head, .own {{ font-weight: bold }}
.small {{ font-size: 11px; fill: #444 }}
.axis {{ stroke: #000; stroke-width: 1; fill: none }}
.grid {{ stroke: #ccc; stroke-width: 1; fill: none }}
.bar-own {{ fill: #000 }}
.bar {{ fill: #bbb; stroke: #555; stroke-width: 0.5 }}
.line-own {{ stroke: #000; stroke-width: 2.5; fill: none }}
.line-0, .line-1, .line-2, .line-3 {{ stroke: #555; stroke-width: 1.3; fill: none }}
.line-1 {{ stroke-dasharray: 7 3 }}
.line-2 {{ stroke-dasharray: 2 3 }}
.line-3 {{ stroke-dasharray: 9 3 2 3 }}
.lead {{ stroke: #999; stroke-width: 0.7; fill: none }}
.dot {{ fill: #fff; stroke: #555 }}
.dot-own {{ fill: #000 }}
</style>
<rect width="100%" height="100%" fill="#fff"/>
{body}</svg>
"##
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_svg_is_escaped() {
        let mut svg = Svg::new(10.0, 10.0);
        svg.text((1.0, 2.0), Anchor::Start, "head", "RwLock<HashMap> & co");
        assert!(svg.finish().contains(">RwLock&lt;HashMap&gt; &amp; co</text>"));
    }
}
