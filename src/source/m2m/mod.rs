//! Encoders and decoders in hardware: memory-to-memory devices of the kernel.

mod device;
mod node;
mod stage;

pub use device::M2mDevice;
pub(super) use node::{CodecNode, Raw};
pub(super) use stage::Stage;
