//! Rows as a Parquet file: a row group for each page.

use super::{Columns, ExportFault, Field, Kind};
use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::io::Write;
use std::sync::Arc;

/// A Parquet file that is being written.
pub(super) struct Columnar {
    columns: Columns,
    file: SerializedFileWriter<Box<dyn Write + Send>>,
}

impl Columnar {
    pub(super) fn begin(columns: Columns, out: Box<dyn Write + Send>) -> Result<Self, ExportFault> {
        let fields = columns.iter().map(|(name, kind)| {
            let (physical, logical) = match kind {
                Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
                Kind::Number => (PhysicalType::INT64, None),
            };
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map(Arc::new)
        });
        let fields: Result<Vec<_>, _> = fields.collect();
        let schema = Type::group_type_builder("row")
            .with_fields(fields?)
            .build()?;
        let properties = Arc::new(WriterProperties::builder().build());
        Ok(Self {
            columns,
            file: SerializedFileWriter::new(out, Arc::new(schema), properties)?,
        })
    }

    pub(super) fn write(&mut self, page: &[Vec<Field>]) -> Result<(), ExportFault> {
        if page.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for place in 0..self.columns.len() {
            let Some(mut column) = group.next_column()? else {
                break;
            };
            let fields = page.iter().filter_map(|row| row.get(place));
            let (mut texts, mut numbers, mut levels) = (Vec::new(), Vec::new(), Vec::new());
            for field in fields {
                let is_there = match field {
                    Field::Text(text) => {
                        texts.extend(text.as_deref().map(ByteArray::from));
                        text.is_some()
                    }
                    Field::Number(number) => {
                        numbers.extend(*number);
                        number.is_some()
                    }
                };
                levels.push(i16::from(is_there));
            }
            match self.columns.get(place).map(|(_, kind)| *kind) {
                Some(Kind::Text) => {
                    let typed = column.typed::<ByteArrayType>();
                    typed.write_batch(&texts, Some(&levels), None)?;
                }
                Some(Kind::Number) | None => {
                    let typed = column.typed::<Int64Type>();
                    typed.write_batch(&numbers, Some(&levels), None)?;
                }
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }

    pub(super) fn end(self) -> Result<(), ExportFault> {
        self.file.close()?;
        Ok(())
    }
}
