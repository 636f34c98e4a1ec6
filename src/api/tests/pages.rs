//! The pages through their door: who gets in, what they see, and what stands beside a field.

use super::*;
use crate::roster::{Origin, RosterAgent, WebPassword, put_agent};

/// A page as it came.
struct Seen {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    html: String,
}

impl Desk {
    async fn see(&self, request: Request<Body>) -> Seen {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Seen {
            status: parts.status,
            headers: parts.headers,
            html: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    async fn look(&self, path: &str, cookie: &str) -> Seen {
        let request = Request::get(path)
            .header("cookie", cookie)
            .header("accept-language", "en");
        self.see(request.body(Body::empty()).unwrap()).await
    }

    async fn sign_in(&self, form: &str) -> Seen {
        let request = Request::post("/sign_in")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("host", "desk.example")
            .header("accept-language", "en")
            .header("origin", "http://desk.example");
        self.see(request.body(Body::from(form.to_owned())).unwrap())
            .await
    }

    /// The cookie of who signs in with a token.
    async fn cookie(&self, token: &str) -> String {
        let seen = self.sign_in(&format!("secret={token}")).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.html);
        cookie_of(&seen)
    }

    async fn add_agent(&self, id: &str, password: &str) {
        let agent = RosterAgent {
            profile: AgentProfile::new(AgentId::from(id), id),
            contact: None,
            log_in: crate::config::LogIn::WithPhone,
            ha1: None,
            web_password: Some(WebPassword::hash(password).unwrap()),
            origin: Origin::Command,
        };
        put_agent(&self.database, "desk", &agent).await.unwrap();
    }
}

fn cookie_of(seen: &Seen) -> String {
    let cookie = seen.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn whoever_is_not_signed_in_is_led_to_the_form_and_back() {
    on_a_desk(async |desk| {
        let seen = desk.look("/staffing?calls=3", "").await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER);
        assert_eq!(
            seen.headers["location"],
            "/sign_in?next=%2Fstaffing%3Fcalls%3D3"
        );
        let form = desk.look("/sign_in?next=%2Fstaffing%3Fcalls%3D3", "").await;
        assert!(
            form.html.contains("value=\"/staffing?calls=3\""),
            "{}",
            form.html
        );
        let wrong = desk.sign_in("secret=nothing").await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN);
        assert!(wrong.html.contains("do not go together"));
        let inside = desk.sign_in("secret=reader&next=%2Fstaffing").await;
        assert_eq!(inside.headers["location"], "/staffing");
        let cookie = cookie_of(&inside);
        assert_eq!(desk.look("/staffing", &cookie).await.status, StatusCode::OK);
        let out = Request::post("/sign_out").header("cookie", &cookie);
        desk.see(out.body(Body::empty()).unwrap()).await;
        assert_eq!(
            desk.look("/staffing", &cookie).await.status,
            StatusCode::SEE_OTHER
        );
    });
}

#[test]
fn a_form_of_another_site_signs_nobody_in() {
    on_a_desk(async |desk| {
        let request = Request::post("/sign_in")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("host", "desk.example")
            .header("origin", "http://evil.example");
        let seen = desk
            .see(request.body(Body::from("secret=reader")).unwrap())
            .await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN);
        assert!(!seen.headers.contains_key("set-cookie"));
    });
}

#[test]
fn guessing_is_slowed_down() {
    on_a_desk(async |desk| {
        for _ in 0..10 {
            assert_eq!(
                desk.sign_in("secret=guess").await.status,
                StatusCode::FORBIDDEN
            );
        }
        let seen = desk.sign_in("secret=reader").await;
        assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS);
    });
}

#[test]
fn agents_see_reports_when_they_are_managers_until_their_password_is_changed() {
    on_a_desk(async |desk| {
        for agent in ["anna", "meiling"] {
            desk.add_agent(agent, "correct horse").await;
        }
        assert!(
            desk.state
                .parts
                .managers
                .contains(&AgentId::from("meiling"))
        );
        let sign_in = async |name: &str| {
            cookie_of(
                &desk
                    .sign_in(&format!("name={name}&secret=correct+horse"))
                    .await,
            )
        };
        let (anna, meiling) = (sign_in("anna").await, sign_in("meiling").await);
        let refused = desk.look("/reports", &anna).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.html.contains("managers only"));
        assert_eq!(
            desk.look("/definitions", &anna).await.status,
            StatusCode::OK
        );
        assert_eq!(desk.look("/reports", &meiling).await.status, StatusCode::OK);
        let api = desk.look("/api/v1/reports?format=csv", &meiling).await;
        assert_eq!(api.status, StatusCode::OK, "{}", api.html);
        let api = desk.look("/api/v1/reports?format=csv", &anna).await;
        assert_eq!(api.status, StatusCode::FORBIDDEN, "{}", api.html);
        desk.add_agent("meiling", "another horse").await;
        assert_eq!(
            desk.look("/reports", &meiling).await.status,
            StatusCode::SEE_OTHER
        );
    });
}

#[test]
fn the_cookie_changes_nothing_over_the_api() {
    on_a_desk(async |desk| {
        let cookie = desk.cookie("writer").await;
        let request = Request::post("/api/v1/tickets")
            .header("cookie", cookie)
            .header("content-type", "application/json");
        let seen = desk.see(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    });
}

#[test]
fn the_report_stands_on_its_page_in_both_languages() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        let cookie = desk.cookie("reader").await;
        let english = desk
            .look(
                "/reports?from=1970-01-01&to=1970-01-02&interval=1h",
                &cookie,
            )
            .await;
        assert_eq!(english.status, StatusCode::OK);
        assert!(english.html.contains("<svg") || english.html.contains("Definitions"));
        assert!(
            english
                .html
                .contains("/api/v1/reports?format=xlsx&amp;language=en&amp;from=1970-01-01")
        );
        assert!(!english.html.contains("<script"));
        let chinese = desk.look("/reports?language=zh-TW", &cookie).await;
        assert!(chinese.html.contains("<html lang=\"zh-TW\">") && chinese.html.contains("報表"));
        let accepted = Request::get("/definitions")
            .header("cookie", &cookie)
            .header("accept-language", "fr, zh-TW;q=0.8, en;q=0.5");
        let accepted = desk.see(accepted.body(Body::empty()).unwrap()).await;
        assert!(accepted.html.contains("名詞定義"));
    });
}

#[test]
fn a_wrong_period_is_told_beside_its_field() {
    on_a_desk(async |desk| {
        let cookie = desk.cookie("reader").await;
        let seen = desk.look("/reports?from=%3Cb%3Esoon", &cookie).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(!seen.html.contains("<b>soon"), "what was typed stays text");
        let field = seen.html.split("id=\"from\"").nth(1).unwrap();
        let field = field.split("id=\"to\"").next().unwrap();
        assert!(
            field.contains("aria-invalid") && field.contains("is not a time"),
            "{field}"
        );
        let seen = desk
            .look("/reports?interval=7m&language=zh-TW", &cookie)
            .await;
        assert!(seen.html.contains("「7m」不是有效的間隔"));
    });
}

#[test]
fn staffing_shows_both_models_and_who_hangs_up() {
    on_a_desk(async |desk| {
        let cookie = desk.cookie("reader").await;
        let seen = desk
            .look(
                "/staffing?calls=75&aht=240&shrinkage=20%25+12.5%25",
                &cookie,
            )
            .await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.html);
        let row = |name: &str| {
            let row = seen
                .html
                .split(&format!("<td class=\"text\">{name}</td>"))
                .nth(1);
            row.unwrap_or_else(|| panic!("{name}"))
                .split("</tr>")
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(row("agents at work"), "<td>14</td><td>13</td>");
        assert_eq!(row("agents on the roster"), "<td>20</td><td>19</td>");
        assert!(row("hang up").contains("nobody, by assumption") && row("hang up").contains('%'));
        assert!(seen.html.contains("which is an assumption"));
        for variant in ["service level A_T/O", "(A_T+B_T)/O", "A_T/(O-B_T)", "A_T/A"] {
            assert!(row(variant).contains('%'), "{variant}");
        }
        // Paper has no form: what was asked stands in the text, and below the figures what they are.
        let asked = "75 contacts in 0:30:00, average handle time 0:04:00, target 80 % within 20 s, shrinkage 20.0 % x 12.5 %";
        assert!(seen.html.contains(asked), "{}", seen.html);
        assert!(
            seen.html
                .contains("<dt>erlang_a.abandon_rate</dt><dd>B / O</dd>")
        );
        let unstable = desk
            .look(
                "/staffing?calls=75&aht=240&agents=9&language=zh-TW",
                &cookie,
            )
            .await;
        assert!(
            unstable.html.contains("至少需要 11 人"),
            "{}",
            unstable.html
        );
        assert!(unstable.html.contains("生滅過程") && unstable.html.contains("0:30:00 內來量 75"));
        let wrong = desk
            .look("/staffing?calls=many&aht=0&target=100/20", &cookie)
            .await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        for told in [
            "`many` is not a number",
            "`0` is no time",
            "is not a target",
        ] {
            assert!(wrong.html.contains(told), "{told}");
        }
    });
}

#[test]
fn patience_is_measured_from_the_desks_own_waits() {
    on_a_desk(async |desk| {
        let cookie = desk.cookie("reader").await;
        let path = "/staffing?calls=75&aht=240&measured=helpdesk";
        let nobody = desk.look(path, &cookie).await;
        assert_eq!(nobody.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(nobody.html.contains("Nobody left this queue"));
        let rows = [
            ("a", "NULL", 60_000, "abandoned"),
            ("b", "9", 120_000, "answered"),
        ];
        for (id, answered_at, wait_ms, result) in rows {
            let sql = format!(
                "INSERT INTO contacts (id, changed_at, channel, queue, arrived_at, answered_at, wait_ms, result) \
                 VALUES ('{id}', 1, 'voice', 'helpdesk', 1795000000000, {answered_at}, {wait_ms}, '{result}')"
            );
            let insert = crate::database::Statement::new(sql, Vec::new());
            desk.database.write(vec![insert]).await.unwrap();
        }
        let seen = desk.look(path, &cookie).await;
        assert!(
            seen.html
                .contains("from 1 who left and 1 who were answered"),
            "{}",
            seen.html
        );
    });
}

#[test]
fn a_file_becomes_a_forecast_with_its_back_test_staff_and_play() {
    on_a_desk(async |desk| {
        let cookie = desk.cookie("reader").await;
        let csv: String = (0..70)
            .flat_map(|day| (9..12).map(move |hour| (day, hour)))
            .map(|(day, hour)| {
                let date = jiff::civil::date(2026, 1, 5) + jiff::Span::new().days(day);
                format!("{date} {hour:02}:00,{}\n", 4 + day % 7)
            })
            .collect();
        let send = async |csv: &str, holidays: &str| {
            let fields = [
                ("aht", "240"),
                ("days", "2"),
                ("interval", "1h"),
                ("runs", "2"),
                ("holidays", holidays),
            ];
            let mut body = String::new();
            for (name, value) in fields {
                body += &format!(
                    "--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                );
            }
            body += &format!(
                "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{csv}\r\n--x--\r\n"
            );
            let request = Request::post("/forecast?language=en")
                .header("cookie", &cookie)
                .header("content-type", "multipart/form-data; boundary=x");
            desk.see(request.body(Body::from(body)).unwrap()).await
        };
        let seen = send(&csv, "2026-03-16,Founding Day,0.5").await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.html);
        for told in [
            "Back-test",
            "2026-03-16",
            "Founding Day",
            "<polygon",
            "played by the real policy",
            "mean patience 180 s, which is an assumption",
            "<dt>weighted_absolute_error</dt>",
            "<dt>erlang_a.abandon_rate</dt>",
            "A: service level A_T/O",
            ">06:00</text>",
            "last_week",
        ] {
            assert!(seen.html.contains(told), "{told}: {}", seen.html);
        }
        let wrong = send("when,count\nsoon,3\n", "").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            wrong
                .html
                .contains("line 2, column 1: `soon` is not a time"),
            "{}",
            wrong.html
        );
        let endless = send("0001-01-01 09:00\n9999-01-01 09:00\n", "").await;
        assert!(endless.html.contains("longer than"), "{}", endless.html);
    });
}

#[test]
fn the_api_gives_reports_in_every_format_and_forecasts() {
    on_a_desk(async |desk| {
        for (format, begin) in [
            ("html", "<!DOCTYPE"),
            ("xlsx", "PK"),
            ("json", "{"),
            ("csv", ""),
        ] {
            let path = format!("/reports?format={format}&from=1970-01-01&to=1970-01-02");
            let seen = desk
                .see(request(Method::GET, &path, "reader", None, ""))
                .await;
            assert_eq!(seen.status, StatusCode::OK, "{format}: {}", seen.html);
            assert!(seen.html.starts_with(begin), "{format}");
        }
        is_problem(&desk.get("/reports?from=soon").await, 400);
        is_problem(&desk.get("/reports?format=pdf").await, 400);
        let csv: String = (1..29)
            .map(|day| format!("2026-02-{day:02} 09:00,5\n2026-02-{day:02} 09:30,7\n"))
            .collect();
        let body = json!({ "csv": csv, "days": 1, "staff": { "aht": "4m" }, "rehearse": 1 });
        let got = desk.post("/forecasts", None, &body).await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        assert_eq!(got.body["intervals"][18]["expected"], 5.0);
        assert_eq!(got.body["rehearsal"]["runs"], 1);
        is_problem(
            &desk
                .post("/forecasts", None, &json!({ "csv": "soon,3" }))
                .await,
            422,
        );
        is_problem(
            &desk
                .post("/forecasts", None, &json!({ "csv": csv, "days": 63 }))
                .await,
            422,
        );
        is_problem(&desk.post("/forecasts", None, &json!({})).await, 422);
    });
}

#[test]
fn a_lost_call_is_called_back_by_a_button_once() {
    on_a_desk(async |desk| {
        let lost = contact(7);
        for (place, kind) in (0..).zip([
            arrived("+886911000111"),
            EventKind::Abandoned { wait_ms: 9_000 },
            EventKind::Closed {
                result: ContactResult::Abandoned,
            },
        ]) {
            let mut event = event(900 + place, 5, lost, kind);
            event.queue = Some(QueueId::from("helpdesk"));
            assert!(desk.state.parts.log.append(event));
        }
        desk.state.parts.log.flush().await.unwrap();
        let page = "/reports?from=2026-11-18&to=2026-11-19&interval=1d";
        let button = format!("name=\"contact\" value=\"{lost}\"");
        let reader = desk.look(page, &desk.cookie("reader").await).await;
        assert!(reader.html.contains(&lost.to_string()), "{}", reader.html);
        assert!(!reader.html.contains(&button), "a reader changes nothing");
        let cookie = desk.cookie("writer").await;
        let seen = desk.look(page, &cookie).await;
        assert!(seen.html.contains(&button) && seen.html.contains("+886911000111"));
        let press = async |cookie: &str, origin: &str| {
            let request = Request::post("/reports/call_back")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("host", "desk.example")
                .header("origin", origin)
                .header("cookie", cookie);
            let body = format!("contact={lost}&next=%2Freports%3Ffrom%3D2026-11-18");
            desk.see(request.body(Body::from(body)).unwrap()).await
        };
        let elsewhere = press(&cookie, "http://evil.example").await;
        assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
        let reader = desk.cookie("reader").await;
        let refused = press(&reader, "http://desk.example").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(desk.get("/callbacks").await.body["items"], json!([]));
        for told in ["ordered", "refused"] {
            let seen = press(&cookie, "http://desk.example").await;
            assert_eq!(seen.status, StatusCode::SEE_OTHER);
            let to = format!("/reports?from=2026-11-18&told={told}#lost");
            assert_eq!(seen.headers["location"], to.as_str());
        }
        let ordered = desk.get("/callbacks").await.body["items"].clone();
        assert_eq!(ordered.as_array().unwrap().len(), 1, "{ordered}");
        assert_eq!(ordered[0]["origin"], lost.to_string());
        assert_eq!(ordered[0]["asked_by"], "writer");
        let seen = desk.look(page, &cookie).await;
        assert!(!seen.html.contains(&button), "one is ordered already");
        let csv = "/api/v1/reports?from=2026-11-18&to=2026-11-19&format=csv&table=lost";
        let csv = desk.look(csv, &cookie).await;
        let wanted = format!("+886911000111,100,helpdesk,abandoned,,waiting,{lost},9.0\r\n");
        assert!(
            csv.html.ends_with(&wanted.replace("+886", "'+886")),
            "{}",
            csv.html
        );
    });
}

#[test]
fn rows_are_told_by_agent_number_or_channel() {
    on_a_desk(async |desk| {
        desk.call(1).await;
        desk.call(2).await;
        for (by, name) in [("number", "100"), ("channel", "voice")] {
            let told = desk
                .get(&format!(
                    "/statistics?from=2026-11-18&to=2026-11-19&by={by}"
                ))
                .await;
            assert_eq!(told.body["by"], by);
            assert_eq!(told.body["statistics"][name]["left_before_queue"], 2);
            let row = told.body["intervals"].as_array().unwrap().iter();
            let came = row.filter(|row| row["left_before_queue"] != 0);
            let came: Vec<_> = came.map(|row| row[by].clone()).collect();
            assert_eq!(came, [json!(name)]);
        }
        let volume = desk.get("/statistics?from=2026-11-18&to=2026-11-19").await;
        let volume = volume.body["tables"]["volume"].clone();
        assert!(volume["definition"].as_str().unwrap().contains("no cause"));
        assert_eq!(volume["rows"][0]["repeat_caller_share"], 0.5);
        let wrong = desk.get("/statistics?by=moon").await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
        for path in ["/statistics?queue=nowhere", "/reports?queue=nowhere"] {
            let told = desk.get(path).await;
            is_problem(&told, 400);
            assert!(
                told.body
                    .to_string()
                    .contains("there is no queue `nowhere`"),
                "{told:?}"
            );
        }
        let body = json!({"queue": "nowhere"});
        is_problem(&desk.post("/forecasts", None, &body).await, 400);
        let cookie = desk.cookie("reader").await;
        let page = desk
            .look("/reports?from=2026-11-18&by=number", &cookie)
            .await;
        assert!(page.html.contains("<option value=\"number\" selected>"));
    });
}
