//! The pages as a browser shows them: a real Chromium signs in, looks, types what is wrong, prints.

use ringdown_harness::chromium::Chromium;
use ringdown_harness::desk::{Desk, DeskPlan};
use std::path::Path;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ringdown"))
}

/// The desk, and a browser that is signed in by the form.
fn signed_in(next: &str) -> (Desk, Chromium, String) {
    let desk = DeskPlan::new().open(program());
    let site = format!("http://{}", desk.api.address);
    let mut browser = Chromium::start();
    browser.open(&format!("{site}{next}"));
    assert_eq!(browser.evaluate("location.pathname"), "/sign_in");
    browser.act(&format!(
        "document.getElementById('secret').value = '{}'; document.querySelector('form.narrow button').click()",
        desk.api.token
    ));
    (desk, browser, site)
}

/// Keeps what a person would look at, where `PAGES` names a folder for it.
fn keep(browser: &mut Chromium, name: &str) {
    if let Ok(folder) = std::env::var("PAGES") {
        let folder = Path::new(&folder);
        let (picture, paper) = (browser.screenshot(), browser.print());
        std::fs::write(folder.join(format!("{name}.png.base64")), picture).expect("it is written");
        std::fs::write(folder.join(format!("{name}.pdf.base64")), paper).expect("it is written");
    }
}

fn text(browser: &mut Chromium) -> String {
    let text = browser.evaluate("document.body.innerText");
    text.as_str().expect("a page has text").to_owned()
}

/// Nothing but tables, which scroll by themselves, is wider than the window.
fn must_fit(browser: &mut Chromium, what: &str) {
    let over = browser.evaluate("document.documentElement.scrollWidth - window.innerWidth");
    assert!(
        over.as_i64().is_some_and(|over| over <= 0),
        "{what}: {over} pixels too wide"
    );
}

#[test]
fn a_manager_signs_in_and_sees_every_page_on_any_screen_in_both_languages() {
    let (_desk, mut browser, site) = signed_in("/reports?language=en");
    assert_eq!(browser.evaluate("location.pathname"), "/reports");
    assert_eq!(
        browser.evaluate("document.cookie"),
        "",
        "no script reads the cookie"
    );
    for (language, words) in [
        ("en", ["Reports", "Staffing", "Forecast", "Definitions"]),
        ("zh-TW", ["報表", "人力配置", "來量預測", "名詞定義"]),
    ] {
        let pages = ["reports", "staffing", "forecast", "definitions"];
        for (page, title) in pages.into_iter().zip(words) {
            let asked = if page == "staffing" {
                "&calls=75&aht=240&shrinkage=30%25"
            } else {
                ""
            };
            for width in [1_280, 390] {
                browser.set_width(width);
                browser.open(&format!("{site}/{page}?language={language}{asked}"));
                assert_eq!(
                    browser.evaluate("document.querySelector('h1').textContent"),
                    title
                );
                assert_eq!(browser.evaluate("document.scripts.length"), 0);
                must_fit(&mut browser, &format!("{page} {language} {width}"));
                keep(&mut browser, &format!("{page}-{language}-{width}"));
            }
            assert!(browser.print().starts_with("JVBERi"), "a PDF");
        }
    }
}

#[test]
fn what_is_wrong_is_read_out_with_its_field() {
    let (_desk, mut browser, _) = signed_in("/staffing?language=en");
    browser.act(
        "document.getElementById('calls').value = '75'; document.getElementById('aht').value = 'long'; \
         document.querySelector('form.fields button').click()",
    );
    let told = browser.evaluate(
        "document.getElementById(document.querySelector('[aria-invalid]').getAttribute('aria-describedby')).textContent",
    );
    assert!(
        told.as_str()
            .is_some_and(|told| told.contains("`long` is no time")),
        "{told}"
    );
    assert_eq!(
        browser.evaluate("document.querySelector('[aria-invalid]').id"),
        "aht"
    );
    browser.act(
        "document.getElementById('aht').value = '4m'; document.getElementById('agents').value = '9'; \
         document.querySelector('form.fields button').click()",
    );
    let text = text(&mut browser);
    assert!(text.contains("It takes at least 11 agents"), "{text}");
    assert!(
        text.contains("Erlang A") && text.contains("hang up"),
        "{text}"
    );
    keep(&mut browser, "unstable");
}

#[test]
fn a_file_is_uploaded_and_its_forecast_drawn() {
    let (_desk, mut browser, site) = signed_in("/forecast?language=en");
    browser.set_width(1_280);
    let lines: String = (0..84)
        .flat_map(|day| (8..18).map(move |hour| (day, hour)))
        .map(|(day, hour)| {
            let (month, date) = (1 + day / 28, 1 + day % 28);
            let calls = 10 + (hour * 7 + day % 7 * 5 + day) % 23;
            format!("2026-{month:02}-{date:02} {hour:02}:00,{calls}\\n")
        })
        .collect();
    for (language, button) in [("en", "Forecast"), ("zh-TW", "預測")] {
        browser.open(&format!("{site}/forecast?language={language}"));
        assert_eq!(
            browser.evaluate("document.querySelector('form.fields button').textContent"),
            button
        );
        browser.act(&format!(
            "const files = new DataTransfer(); files.items.add(new File(['{lines}'], 'arrivals.csv')); \
             document.getElementById('file').files = files.files; \
             for (const [id, value] of [['interval', '1h'], ['days', '3'], ['aht', '4m'], ['runs', '3']]) \
             document.getElementById(id).value = value; document.querySelector('form.fields button').click()"
        ));
        assert_eq!(
            browser.evaluate("document.querySelectorAll('.plot polygon').length > 0"),
            true
        );
        let text = text(&mut browser);
        assert!(
            text.contains("last_week") && text.contains("median"),
            "{text}"
        );
        must_fit(&mut browser, "the forecast");
        keep(&mut browser, &format!("forecast-told-{language}"));
    }
}
