//! A picture in a file of its own, for documents.

use std::path::Path;

use anyhow::Context;

use super::curves;
use super::plot::Curves;

const STYLE: &str = include_str!("picture.css");

/// Writes a picture as SVG that stands alone: with its colours, on white.
///
/// # Errors
/// When the file cannot be written.
pub fn write_svg(path: &Path, plot: &Curves) -> anyhow::Result<()> {
    std::fs::write(path, picture(plot)).with_context(|| format!("{} cannot be written", path.display()))
}

/// The picture as text.
pub(super) fn picture(plot: &Curves) -> String {
    let begin = "<svg xmlns=\"http://www.w3.org/2000/svg\" ";
    let svg = curves::draw(plot).replacen("<svg ", begin, 1);
    svg.replacen('>', &format!(">\n<style>\n{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"), 1) + "\n"
}
