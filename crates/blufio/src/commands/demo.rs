//! x
use clap::Args;
/// x
#[derive(Debug, Args)]
pub struct Arguments {}
/// x
pub fn run(_: &Arguments) -> anyhow::Result<u8> {
    Ok(0)
}
