//! The page of all cameras: each in a frame of its own, with a link to its page.

use super::CameraSide;
use std::fmt::Write;
use std::sync::Arc;

const PAGE: &str = include_str!("../../assets/overview.html");
/// Where the cameras stand in it.
const CAMERAS: &str = "<!-- cameras -->\n";

/// The page. A name needs no quoting: the config allows letters, digits, `_` and `-`.
pub(super) fn page(cameras: &[Arc<CameraSide>]) -> String {
    let (mut page, rest) = match PAGE.split_once(CAMERAS) {
        Some((begin, rest)) => (begin.to_string(), rest),
        None => (PAGE.to_string(), ""),
    };
    for camera in cameras {
        let name = &camera.stream.name;
        // Without scripts a frame is there at once, or when it comes near where the browser does that.
        // Writing to a String can't fail.
        _ = writeln!(
            page,
            "<figure><noscript><iframe src=\"{name}/?bare\" title=\"{name}\" loading=\"lazy\"></iframe></noscript>\
             <a href=\"{name}/\"><span>{name}</span></a></figure>"
        );
    }
    page + rest
}
