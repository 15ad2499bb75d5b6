//! From a camera's section to what turns it.

use super::head::{Head, Held};
use super::servos::Servos;
use super::v4l2::CameraHead;
use crate::config::{Camera, HeadKind, PanTilt, SourceKind};
use crate::error::Result;
use crate::ptz::{AXES, Preset};
use std::path::Path;

/// True if something may turn this camera, so that it needs a mover.
pub fn moves(camera: &Camera) -> bool {
    match camera.pan_tilt.head {
        HeadKind::No => false,
        HeadKind::Camera => matches!(camera.source, SourceKind::Device { .. } | SourceKind::Auto),
        HeadKind::Pimoroni | HeadKind::Pca9685 => true,
    }
}

/// Opens what turns a camera; nothing moves by that. `node`: that of the camera, if it is there. None if there is nothing.
///
/// # Errors
/// It does not answer; the error says what to do.
pub fn open(keys: &PanTilt, node: Option<&Path>) -> Result<Option<Held>> {
    let head: Option<Box<dyn Head>> = match (keys.head, node) {
        (HeadKind::Camera, Some(node)) => CameraHead::open(keys, node)?.map(|head| Box::new(head) as _),
        (HeadKind::Camera, None) | (HeadKind::No, _) => None,
        (HeadKind::Pimoroni | HeadKind::Pca9685, _) => Some(Box::new(Servos::open(keys)?)),
    };
    Ok(head.map(Held))
}

/// The presets of the config, as far as these axes have places.
pub fn presets(keys: &PanTilt) -> Vec<Preset> {
    let mut presets = Vec::new();
    for (name, numbers) in &keys.presets {
        let mut places = [None; AXES.len()];
        for (place, number) in places.iter_mut().zip(numbers) {
            *place = Some(i32::from(*number) * 1000);
        }
        presets.push((name.clone(), places));
    }
    presets
}
