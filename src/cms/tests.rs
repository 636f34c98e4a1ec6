use super::import::{Contents, Effect, Format, Report, decode, import, read};
use super::*;
use crate::cti::Normaliser;
use crate::database::Database;
use crate::database::tests::on_both_engines;

const DESK: &str = include_str!("../../fixtures/cms/desk.csv");
const CARDS: &str = include_str!("../../fixtures/cms/people.vcf");
const DOCUMENT: &str = include_str!("../../fixtures/cms/people.json");

async fn bring_in(database: &Database, contents: Contents) -> Report {
    let normaliser = Normaliser::new("TW".parse().unwrap());
    import(&Cms::new(database.clone()), &normaliser, contents)
        .await
        .unwrap()
}

async fn names(database: &Database, key: &str) -> Vec<String> {
    let matches = Cms::new(database.clone()).find(key).await.unwrap();
    matches.iter().map(|it| it.caller.name.clone()).collect()
}

#[test]
fn the_sample_desk_comes_in_whole_and_again_changes_nothing() {
    on_both_engines(async |database| {
        let report = bring_in(&database, read(Format::Csv, DESK)).await;
        assert_eq!(report.refusals, []);
        assert_eq!(report.notes, [""; 0]);
        assert_eq!(report.count(Effect::Added), 46);
        let cms = Cms::new(database.clone());
        let revision = cms.revision().await.unwrap();
        let again = bring_in(&database, read(Format::Csv, DESK)).await;
        assert_eq!((again.changes.len(), again.unchanged), (0, 46));
        assert_eq!(cms.revision().await.unwrap(), revision);
        assert_eq!(names(&database, "+886912345606").await, ["黃雅琪"]);
        assert_eq!(names(&database, "1007").await, ["吳宗翰"]);
        assert_eq!(names(&database, "it@tpg.example").await, ["陳建宏"]);
        assert_eq!(
            names(&database, "+88635630001").await,
            ["劉家豪", "蔡怡君", "鄭俊傑"]
        );
        let boss = cms
            .caller(&CallerId::new("tpg-001"))
            .await
            .unwrap()
            .unwrap();
        let cis: Vec<&str> = boss.cis.iter().map(|ci| ci.id.as_str()).collect();
        assert_eq!(cis, ["nb-0601", "srv-mail"]);
        assert_eq!(boss.language.unwrap().as_str(), "zh-TW");
        let found = cms.search("SCHÄFER").await.unwrap();
        let ascii = cms.search("schÄfer").await.unwrap();
        assert!(found.len() <= 1 && ascii.len() <= 1);
        assert_eq!(cms.search("katrin").await.unwrap().len(), 1);
        assert_eq!(cms.search("100%").await.unwrap(), []);
        let directory = cms.directory(100).await.unwrap().unwrap();
        assert_eq!(directory.people(), 30);
        assert_eq!(directory.find("+886912345606").len(), 1);
        assert!(cms.directory(29).await.unwrap().is_none());
    });
}

#[test]
fn a_change_replaces_the_record_and_bad_records_are_refused_whole() {
    on_both_engines(async |database| {
        let first = "id,name,phone,mail\np1,Ann,0912345678,ann@x.example\np2,Bob,0912345679,\n";
        bring_in(&database, read(Format::Csv, first)).await;
        let second = "id;name;class;mobile;mail\n\
                      p1;Ann Bell;1;0912345670;ann@x.example\n\
                      p2;Bob;7;;\n\
                      p3;;;0912345671;\n\
                      p4;Dan;;;not a mail\n\
                      p5;Eve;;call me;\n\
                      p1;Ann again;;;\n\
                      ;Nobody;;;\n\
                      p6;a;b;c;d;e\n";
        let report = bring_in(&database, read(Format::Csv, second)).await;
        let refused: Vec<(usize, &str)> = report
            .refusals
            .iter()
            .map(|refusal| (refusal.line, refusal.reason.as_str()))
            .collect();
        assert_eq!(
            refused,
            [
                (3, "the class `7` is not 1, 2 or 3"),
                (4, "the person has no name"),
                (5, "`not` is not a mail address"),
                (6, "`call me` is not a telephone number"),
                (7, "line 2 has the same person, `p1`"),
                (
                    8,
                    "there is no id, and neither a mail address nor a number to know the person by"
                ),
                (9, "there are 6 columns, the first line names 5"),
            ]
        );
        assert_eq!(report.count(Effect::Changed), 1);
        assert_eq!(names(&database, "+886912345678").await, [""; 0]);
        assert_eq!(names(&database, "+886912345670").await, ["Ann Bell"]);
        // Bob was refused whole: what was known of him stays.
        assert_eq!(names(&database, "+886912345679").await, ["Bob"]);
    });
}

#[test]
fn vcards_of_both_versions_are_read_and_others_refused() {
    on_both_engines(async |database| {
        let report = bring_in(&database, read(Format::of("people.vcf", CARDS), CARDS)).await;
        let refused: Vec<(usize, &str)> = report
            .refusals
            .iter()
            .map(|refusal| (refusal.line, refusal.reason.as_str()))
            .collect();
        assert_eq!(
            refused,
            [
                (21, "version 2.1 of vCard is not read, 3.0 and 4.0 are"),
                (24, "`call me` is not a telephone number"),
            ]
        );
        let cms = Cms::new(database.clone());
        let wang = cms.find("+886912345678").await.unwrap().remove(0).caller;
        assert_eq!(wang.name, "王小明");
        assert_eq!(wang.mails, ["hsiaoming.wang@tpg.example"]);
        assert_eq!(wang.class, Some(2));
        assert_eq!(wang.language.as_ref().unwrap().as_str(), "zh-TW");
        assert_eq!(
            wang.organisation.as_ref().unwrap().name,
            "臺北範例資訊股份有限公司"
        );
        let office = cms.find("+886227208800").await.unwrap().remove(0);
        assert_eq!((&*office.extension, &*office.label), ("120", "work"));
        assert_eq!(
            names(&database, "+35314370000").await,
            ["Mary;Ann O, Brien"]
        );
    });
}

#[test]
fn json_is_read_record_by_record_with_the_line_of_each() {
    on_both_engines(async |database| {
        let report = bring_in(&database, read(Format::of("x", DOCUMENT), DOCUMENT)).await;
        let refused: Vec<(usize, &str)> = report
            .refusals
            .iter()
            .map(|refusal| (refusal.line, refusal.reason.as_str()))
            .collect();
        assert_eq!(refused[0], (7, "the class `4` is not 1, 2 or 3"));
        assert_eq!(refused[1].0, 8);
        assert!(
            refused[1].1.starts_with("unknown field `nam`"),
            "{refused:?}"
        );
        assert_eq!(refused[2], (12, "there is no person `a9`"));
        let cms = Cms::new(database.clone());
        let ann = cms.find("+442079460958").await.unwrap().remove(0).caller;
        assert_eq!(ann.organisation.as_ref().unwrap().id.as_str(), "acme");
        assert_eq!(ann.cis[0].id.as_str(), "pc-1");
        assert_eq!(names(&database, "ann@acme.example").await, ["Ann Example"]);
    });
}

#[test]
fn a_broken_document_is_refused_with_its_line() {
    let contents = read(Format::Json, "{\n\"people\": [\n}");
    assert_eq!(contents.refusals[0].line, 3);
    let contents = read(Format::Vcard, "BEGIN:VCARD\nFN:x\n");
    assert_eq!(contents.refusals[0].reason, "the vCard has no END");
}

#[test]
fn files_of_older_programs_are_read_in_their_encoding() {
    let text = "編號,姓名,手機,電子郵件,備註\nw1,王小明,0912345678,w@x.example,?\n";
    let (big5, _, _) = encoding_rs::BIG5.encode(text);
    let utf16: Vec<u8> = [0xfe, 0xff]
        .into_iter()
        .chain(text.encode_utf16().flat_map(u16::to_be_bytes))
        .collect();
    let with_mark = [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat();
    for bytes in [&*big5, &utf16, &with_mark, text.as_bytes()] {
        let contents = read(Format::Csv, &decode(bytes));
        assert_eq!(contents.refusals, []);
        assert_eq!(
            contents.notes,
            ["the column `備註` is not known and was passed over"]
        );
        let import::Draft::Person(person) = &contents.drafts[0].1 else {
            panic!("not a person");
        };
        assert_eq!(person.name, "王小明");
        assert_eq!(person.phones[0].label, "mobile");
    }
}

proptest::proptest! {
    #[test]
    fn no_file_panics(text in "\\PC{0,200}", lines in "(BEGIN:VCARD|TEL;[a-z=\"]{0,6}:|FN:[\\\\;,\"a]{0,9}|END:VCARD|\n| |,){0,30}") {
        for format in [Format::Csv, Format::Vcard, Format::Json] {
            let _ = read(format, &text);
            let _ = read(format, &lines);
        }
    }
}
