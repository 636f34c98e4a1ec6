use super::*;
use crate::database::tests::{arrived, at, contact, event, on_both_engines};
use crate::event_log::EventLog;
use parquet::file::reader::{FileReader, SerializedFileReader};
use ringdown_routing::event::{Event, EventKind};
use std::sync::{Arc, Mutex};

/// What was written, to be looked at.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn written(database: &Database, subject: Subject, format: Format) -> Vec<u8> {
    let paper = Paper::default();
    let out = Box::new(paper.clone());
    export(database, subject, at(0), at(100_000), format, out)
        .await
        .unwrap();
    let octets = paper.0.lock().unwrap();
    octets.clone()
}

#[test]
fn every_row_is_written_once_and_in_order_over_many_pages() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        let mut events = Vec::new();
        for number in 1..=PAGE_ROWS as u64 + 7 {
            let second = i64::try_from(number / 3).unwrap();
            events.push(event(
                number,
                second,
                contact(number.into()),
                arrived("=1+1"),
            ));
            assert!(log.append(events.last().unwrap().clone()));
            if number % 500 == 0 {
                log.flush().await.unwrap();
            }
        }
        log.flush().await.unwrap();
        let lines = String::from_utf8(written(&database, Subject::Events, Format::Jsonl).await);
        let read: Vec<Event> = lines
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(read, events);

        let csv = String::from_utf8(written(&database, Subject::Contacts, Format::Csv).await);
        let csv = csv.unwrap();
        assert_eq!(csv.lines().count(), events.len() + 1);
        let row = csv.lines().nth(1).unwrap();
        assert!(row.contains(",'=1+1,100,"), "no spreadsheet reckons: {row}");

        let octets = written(&database, Subject::Events, Format::Parquet).await;
        let file = SerializedFileReader::new(bytes::Bytes::from(octets)).unwrap();
        assert_eq!(file.metadata().num_row_groups(), 2);
        let bodies = file.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            let (name, body) = row.get_column_iter().last().unwrap();
            assert_eq!(name, "body");
            let parquet::record::Field::Str(body) = body else {
                panic!("a body is text")
            };
            serde_json::from_str::<Event>(body).unwrap()
        });
        assert_eq!(bodies.collect::<Vec<_>>(), events);
    });
}

#[test]
fn nothing_is_a_file_all_the_same() {
    on_both_engines(|database| async move {
        let log = EventLog::new(database.clone());
        assert!(log.append(event(1, -5, contact(1), EventKind::Held)));
        log.flush().await.unwrap();
        for subject in [Subject::Events, Subject::Contacts, Subject::Tickets] {
            let octets = written(&database, subject, Format::Parquet).await;
            let file = SerializedFileReader::new(bytes::Bytes::from(octets)).unwrap();
            assert_eq!(file.metadata().file_metadata().num_rows(), 0);
            assert!(written(&database, subject, Format::Jsonl).await.is_empty());
        }
    });
}
