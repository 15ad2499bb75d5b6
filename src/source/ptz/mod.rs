//! What turns a camera: servos at an I2C bus, or the camera's own controls.

mod hat;
mod head;
mod open;
mod pca9685;
mod servos;
mod v4l2;

pub use head::{Act, Head, Held};
pub use open::{moves, open, presets};
