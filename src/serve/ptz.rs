//! `/ptz`: where the camera looks, and what it is to look at; `/do_orient`, by which the pan-tilt fork of pistreaming turned it.

use super::answer::{Answer, Rejection};
use super::exchange::{Ending, Exchange};
use super::head::Method;
use crate::format::json::{Object, Value, array, quote};
use crate::ptz::{AXES, DEAD_MAN, FULL_SPEED, Kind, Ptz, Refusal, State, View, Wish, Wishes};
use std::io;
use std::time::Instant;

/// How far the historical page's sliders go, in degrees.
const ORIENT_MAX: i32 = 90;

/// Says where the camera looks, or takes wishes for it.
///
/// # Errors
/// `TimedOut` or `WouldBlock` if the client does not take it; others if it has left.
pub fn serve(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.end(answer(exchange))
}

fn answer(exchange: &Exchange<'_>) -> Result<Answer, Rejection> {
    let ptz = &exchange.camera.stream.ptz;
    let clamped = match exchange.head.method {
        Method::Post => Some(command(ptz, &exchange.json()?)?),
        _ => None,
    };
    let may = exchange.may_control();
    let mut object = Object::new();
    ptz.view().describe(&mut object);
    if let Some(clamped) = clamped {
        let names: Vec<String> = clamped.into_iter().map(quote).collect();
        object.member("clamped", array(&names));
    }
    object
        .member("writable", may.is_ok())
        .text("why", may.err().unwrap_or_default());
    Ok(Answer::fresh("application/json", object.end().into_bytes()))
}

/// Leaves for the mover what a client asks for; gives the axes that were cut to their limits.
///
/// # Errors
/// The answer to what can't be done. Nothing of it is, then.
pub fn command(ptz: &Ptz, asked: &Value) -> Result<Vec<&'static str>, Answer> {
    let wishes = wishes(asked, &ptz.view(), Instant::now() + DEAD_MAN);
    take(ptz, wishes.map_err(|text| Answer::text("400 Bad Request", text))?)
}

fn take(ptz: &Ptz, wishes: Wishes) -> Result<Vec<&'static str>, Answer> {
    ptz.wish(wishes).map_err(|refusal| match refusal {
        Refusal::State(State::Refused, reason) => {
            let text = format!("The camera can't be turned now: {reason}");
            Answer::text("503 Service Unavailable", text).with("Retry-After: 2\r\n")
        }
        Refusal::State(..) => {
            let text = "Nothing turns this camera; `pan_tilt =` in its section of the config names what does";
            Answer::text("404 Not Found", text)
        }
        Refusal::Axis(text) => Answer::text("400 Bad Request", text),
    })
}

/// Reads what a client asks for. What turns at a speed does so until then.
fn wishes(asked: &Value, view: &View, until: Instant) -> Result<Wishes, String> {
    let presets = &view.presets;
    let bad = || {
        let names: Vec<&str> = presets.iter().map(|(name, _)| &**name).collect();
        let presets = match &*names {
            [] => "the config has none".into(),
            names => names.join(", "),
        };
        format!(
            "This takes pan, tilt, zoom, or one of these with _by or _speed behind it, as {{\"pan\":10}} or \
             {{\"pan_speed\":-0.5}}; or preset ({presets}); or {{\"home\":true}} or {{\"stop\":true}}"
        )
    };
    let Value::Object(members) = asked else {
        return Err(bad());
    };
    let mut wishes = Wishes::default();
    for (name, value) in members {
        match (&**name, value) {
            // What it is as a message.
            ("type", _) => {}
            ("stop", Value::Bool(true)) => wishes.stop = true,
            ("home", Value::Bool(true)) => wishes.axes = [Some(Wish::Home); 3],
            ("preset", Value::Text(name)) => {
                let (_, places) = presets.iter().find(|(known, _)| known == name).ok_or_else(bad)?;
                for ((wish, place), axis) in wishes.axes.iter_mut().zip(places).zip(&view.axes) {
                    let has_places = axis.is_some_and(|axis| axis.kind == Kind::Absolute);
                    *wish = place.filter(|_| has_places).map(Wish::To);
                }
            }
            (name, value) => {
                let number = value.as_thousandths().ok_or_else(bad)?;
                let of_axis = AXES.iter().zip(&mut wishes.axes);
                let found = of_axis.filter_map(|(axis, wish)| Some((name.strip_prefix(axis)?, wish)));
                let (how, wish) = found.last().ok_or_else(bad)?;
                *wish = Some(match how {
                    "" => Wish::To(number),
                    "_by" => Wish::By(number),
                    "_speed" => Wish::Speed(number.clamp(-FULL_SPEED, FULL_SPEED), until),
                    _ => return Err(bad()),
                });
            }
        }
    }
    if wishes == Wishes::default() {
        return Err(bad());
    }
    Ok(wishes)
}

/// Turns the camera as `?pan=N&tilt=N` asks, whole degrees whose signs are turned round, if the config says so.
///
/// # Errors
/// Those of [`serve`].
pub fn orient(exchange: &Exchange<'_>) -> io::Result<Ending> {
    exchange.end(orientation(exchange))
}

fn orientation(exchange: &Exchange<'_>) -> Result<Answer, Rejection> {
    let head = exchange.head;
    if !exchange.shared.settings.historical_orient {
        let text = "There is nothing here, unless the config says historical_orient = yes in [server]";
        return Err(Answer::text("404 Not Found", text).into());
    }
    let mut wishes = Wishes::default();
    for (name, wish) in AXES.into_iter().zip(&mut wishes.axes).take(2) {
        let Some(text) = head.asked(name) else { continue };
        let degrees = text
            .parse()
            .ok()
            .filter(|degrees: &i32| (-ORIENT_MAX..=ORIENT_MAX).contains(degrees));
        let Some(degrees) = degrees else {
            let text = format!("{name} takes whole degrees from -{ORIENT_MAX} to {ORIENT_MAX}");
            return Err(Answer::text("400 Bad Request", text).into());
        };
        *wish = Some(Wish::To(-degrees * 1000));
    }
    if wishes != Wishes::default() && !exchange.is_head() {
        take(&exchange.camera.stream.ptz, wishes)?;
    }
    Ok(Answer::fresh("text/plain", Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptz::Axis;

    fn view() -> View {
        let axis = Axis {
            kind: Kind::Absolute,
            min: -90_000,
            max: 90_000,
            home: 0,
            step: 1000,
            value: None,
            target: None,
        };
        View {
            state: State::Ready,
            axes: [Some(axis), Some(axis), None],
            presets: vec![("door".into(), [Some(-30_000), Some(10_000), Some(50_000)])],
            ..View::default()
        }
    }

    #[test]
    fn what_is_asked_for_is_read_or_refused() {
        use Wish::{By, Home, Speed, To};
        let until = Instant::now();
        for (asked, stop, axes) in [
            (
                r#"{"pan":10,"tilt":-5.5}"#,
                false,
                [Some(To(10_000)), Some(To(-5500)), None],
            ),
            (
                r#"{"type":"ptz","zoom":30}"#,
                false,
                [None, None, Some(To(30_000))],
            ),
            (r#"{"pan_by":-5}"#, false, [Some(By(-5000)), None, None]),
            (
                r#"{"tilt_speed":0.25}"#,
                false,
                [None, Some(Speed(250, until)), None],
            ),
            (
                r#"{"pan_speed":-1e9}"#,
                false,
                [Some(Speed(-1000, until)), None, None],
            ),
            (r#"{"home":true}"#, false, [Some(Home); 3]),
            (r#"{"stop":true}"#, true, [None; 3]),
            (r#"{"stop":true,"pan":1}"#, true, [Some(To(1000)), None, None]),
            // As far as this camera has what a preset says.
            (
                r#"{"preset":"door"}"#,
                false,
                [Some(To(-30_000)), Some(To(10_000)), None],
            ),
        ] {
            let read = wishes(&Value::read(asked).unwrap(), &view(), until);
            assert_eq!(read, Ok(Wishes { stop, axes }), "{asked}");
        }
        for asked in [
            "{}",
            "[]",
            "1",
            r#"{"type":"ptz"}"#,
            r#"{"pan":"10"}"#,
            r#"{"pan":null}"#,
            r#"{"pan":10,"tip":1}"#,
            r#"{"pan_to":1}"#,
            r#"{"":1}"#,
            r#"{"home":false}"#,
            r#"{"stop":1}"#,
            r#"{"preset":"window"}"#,
            r#"{"preset":1}"#,
        ] {
            let why = wishes(&Value::read(asked).unwrap(), &view(), until).unwrap_err();
            assert!(why.contains("or preset (door);"), "{asked}: {why}");
        }
    }
}
