// SPDX-License-Identifier: MIT OR Apache-2.0
//! `time.now`: the moment of the call, printed for a reader. The moment comes with the request, so that a replay gives
//! the same answer.

use blufio_core::tool::ToolError;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    zone: Option<String>,
}

/// Whether a time zone of this name exists in the bundled database.
pub fn zone_exists(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

/// The time at `now_ms` (milliseconds since 1970, UTC).
pub(crate) fn now(arguments: &str, now_ms: i64) -> Result<String, ToolError> {
    let arguments: Arguments =
        serde_json::from_str(arguments).map_err(|error| ToolError::Invalid(error.to_string()))?;
    let zone = arguments.zone.as_deref().map(str::trim).filter(|zone| !zone.is_empty()).unwrap_or("UTC");
    let time_zone = TimeZone::get(zone).map_err(|_| {
        ToolError::Invalid(format!("there is no time zone `{zone}`; write one like Europe/Berlin"))
    })?;
    let moment = Timestamp::from_millisecond(now_ms).map_err(|error| ToolError::Broken(error.to_string()))?;
    Ok(format!("{} ({zone})", moment.to_zoned(time_zone).strftime("%A, %Y-%m-%d %H:%M:%S %:z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMER_MS: i64 = 1_784_000_000_000;

    #[test]
    fn the_answer_depends_on_the_arguments_alone() {
        let utc = now("{}", SUMMER_MS).unwrap();
        assert_eq!(utc, "Tuesday, 2026-07-14 03:33:20 +00:00 (UTC)");
        let berlin = now(r#"{"zone":"Europe/Berlin"}"#, SUMMER_MS).unwrap();
        assert_eq!(berlin, "Tuesday, 2026-07-14 05:33:20 +02:00 (Europe/Berlin)");
    }

    #[test]
    fn unknown_zones_and_fields_are_invalid() {
        assert!(matches!(now(r#"{"zone":"Europe/Berlin2"}"#, 0), Err(ToolError::Invalid(_))));
        assert!(matches!(now(r#"{"zones":"UTC"}"#, 0), Err(ToolError::Invalid(_))));
        assert!(matches!(now("[", 0), Err(ToolError::Invalid(_))));
        assert!(zone_exists("America/New_York"));
        assert!(!zone_exists("../etc/passwd"));
    }
}
