//! The question how it went, as the one who is asked sees it: in a real browser, by the link of the letter.

use super::{MailDesk, is, plain};
use ringdown_harness::chromium::Chromium;
use serde_json::{Value, json};
use std::path::Path;

impl MailDesk {
    /// The link of the question after a mail of Anna's was closed, on the gateway's own address.
    fn asked(&self, number: usize) -> String {
        self.deliver("help@desk.example", &format!("{number}@survey"), "");
        let contact = self.take("ming");
        is(
            &self.act(&contact, "close", &json!({ "result": "cable" })),
            200,
        );
        let sent = self.sink.wait_for(number);
        let letter = plain(sent.last().unwrap_or_else(|| panic!("{sent:?}")));
        let link = letter.split(SITE).nth(1).unwrap_or_default();
        let path = link.split_whitespace().next().unwrap_or_default();
        assert!(path.starts_with("/survey/"), "{letter}");
        format!("http://{}{path}", self.desk.api.address)
    }
}

const SITE: &str = "https://desk.example";

fn open(valid: &str) -> MailDesk {
    let keys = format!("survey_url = \"{SITE}/\"\n{valid}");
    let desk = MailDesk::open(&keys, "[queue.mail]\nsatisfaction = true\n", &["ming"]);
    desk.log_in("ming");
    desk
}

/// Keeps what a person would look at, where `PAGES` names a folder for it.
fn keep(browser: &mut Chromium, name: &str) {
    if let Ok(folder) = std::env::var("PAGES") {
        let file = Path::new(&folder).join(format!("survey-{name}.png.base64"));
        std::fs::write(file, browser.screenshot()).expect("it is written");
    }
}

/// The page says this, in this language, has no script and fits a telephone.
fn must_say(browser: &mut Chromium, name: &str, language: &str, words: &str) {
    let text = browser.evaluate("document.body.innerText");
    assert!(
        text.as_str().is_some_and(|text| text.contains(words)),
        "{name}: {text}"
    );
    assert_eq!(browser.evaluate("document.documentElement.lang"), language);
    assert_eq!(browser.evaluate("document.scripts.length"), 0);
    let over = browser.evaluate("document.documentElement.scrollWidth - window.innerWidth");
    assert!(
        over.as_i64().is_some_and(|over| over <= 0),
        "{name}: {over}"
    );
    keep(browser, &format!("{name}-{language}"));
}

struct Words {
    language: &'static str,
    question: &'static str,
    thanks: &'static str,
    once: &'static str,
    unknown: &'static str,
    over: &'static str,
}

const LANGUAGES: [Words; 2] = [
    Words {
        language: "en",
        question: "How well did we help you with",
        thanks: "Thank you for your answer.",
        once: "This question was answered before",
        unknown: "There is no such question",
        over: "This question can no longer be answered.",
    },
    Words {
        language: "zh-TW",
        question: "您對我們處理此案件的服務滿意嗎",
        thanks: "感謝您的回覆。",
        once: "此問卷已填寫過",
        unknown: "找不到此問卷",
        over: "此問卷已過期。",
    },
];

/// A second answer, from a window that still shows the question.
const ANSWER_AGAIN: &str = "\
const form = document.createElement('form'); form.method = 'post'; form.action = location.href; \
form.innerHTML = '<input name=\"score\" value=\"1\">'; document.body.append(form); form.submit()";

#[test]
fn a_browser_answers_the_question_once_and_a_forged_link_asks_nothing() {
    let desk = open("");
    let mut browser = Chromium::start();
    browser.set_width(390);
    for (place, words) in LANGUAGES.iter().enumerate() {
        let link = desk.asked(place + 1);
        let link = link.replace("lang=en", &format!("lang={}", words.language));
        browser.open(&link);
        must_say(&mut browser, "asks", words.language, words.question);
        browser.act(
            "document.querySelector('input[value=\"4\"]').click(); \
             document.querySelector('textarea').value = '<b>quick</b> 快'; \
             document.querySelector('button').click()",
        );
        must_say(&mut browser, "thanks", words.language, words.thanks);
        browser.act(ANSWER_AGAIN);
        must_say(&mut browser, "once", words.language, words.once);
        browser.open(&link);
        must_say(&mut browser, "again", words.language, words.thanks);

        let (name, rest) = link.split_once('?').expect("the language");
        let end = name.chars().last().expect("a signature");
        let other = if end == 'a' { 'b' } else { 'a' };
        let forged = format!("{}{other}?{rest}", name.trim_end_matches(end));
        browser.open(&forged);
        must_say(&mut browser, "forged", words.language, words.unknown);
    }
    let list = desk.desk.api.get_json("/api/v1/tickets");
    let tickets = list["items"].as_array().expect("a list");
    assert_eq!(tickets.len(), LANGUAGES.len());
    for ticket in tickets {
        let ticket = desk
            .desk
            .api
            .get_json(&format!("/api/v1/tickets/{}", ticket["id"]));
        let articles = ticket["articles"].as_array().cloned().unwrap_or_default();
        let mut said: Vec<Value> = articles.into_iter().map(|it| it["text"].clone()).collect();
        said.retain(|text| {
            text.as_str()
                .is_some_and(|text| text.contains("How it went"))
        });
        assert_eq!(said, ["How it went: 4 of 5. <b>quick</b> 快"]);
    }
}

#[test]
fn a_browser_is_told_when_the_time_of_the_question_is_over() {
    let desk = open("survey_valid_s = 0\n");
    let mut browser = Chromium::start();
    let link = desk.asked(1);
    for words in &LANGUAGES {
        browser.open(&link.replace("lang=en", &format!("lang={}", words.language)));
        must_say(&mut browser, "over", words.language, words.over);
        assert_eq!(browser.evaluate("document.forms.length"), 0);
    }
}
