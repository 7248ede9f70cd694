//! Parquet: the same columns as the Avro schemas have, flat, in any order and among others.

use std::{fs::File, sync::Arc};

use parquet::{
    basic::Type as PhysicalType,
    column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader},
    data_type::{ByteArray, ByteArrayType},
    file::{
        reader::FileReader,
        serialized_reader::{ReadOptionsBuilder, SerializedFileReader},
    },
};

use super::{Problem, Row, Sink, Unreadable, bucket, pages::Pages};
use crate::Record;

/// Rows read at once: of each column as many.
const ROWS_AT_ONCE: usize = 1024;

pub(super) fn read_reports(file: File, sink: Sink<'_, Row>) -> Result<(), Problem> {
    read_columns(file, ["payload", "key_id", "shared_info"], &mut |[payload, key_id, shared_info]| {
        sink(record(payload, key_id, shared_info).ok_or(Unreadable)).is_break()
    })
}

pub(super) fn read_domain(file: File, sink: Sink<'_, u128>) -> Result<(), Problem> {
    let mut problem = None;
    read_columns(file, ["bucket"], &mut |[bytes]| match bytes
        .ok_or_else(|| "a bucket is null".into())
        .and_then(bucket)
    {
        Ok(bucket) => sink(bucket).is_break(),
        Err(error) => {
            problem = Some(error);
            true
        }
    })?;
    problem.map_or(Ok(()), Err)
}

fn record(payload: Option<&[u8]>, key_id: Option<&[u8]>, shared_info: Option<&[u8]>) -> Option<Record> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes?.to_vec()).ok();
    Some(Record { payload: payload?.to_vec(), key_id: text(key_id)?, shared_info: text(shared_info)? })
}

/// Takes the values of a row, `None` where one is null, and says whether it has had enough.
type RowSink<'a, const N: usize> = &'a mut dyn FnMut([Option<&[u8]>; N]) -> bool;

/// Hands on the rows until `sink` has had enough.
fn read_columns<const N: usize>(file: File, names: [&str; N], sink: RowSink<'_, N>) -> Result<(), Problem> {
    let shared = Arc::new(file.try_clone()?);
    let reader = SerializedFileReader::new_with_options(file, ReadOptionsBuilder::new().build())?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr_ptr();
    let mut indices = [0; N];
    for (index, name) in indices.iter_mut().zip(names) {
        let column = schema.columns().iter().position(|column| column.path().string() == name);
        *index = column.ok_or_else(|| format!("there is no column `{name}`"))?;
        let column = schema.column(*index);
        let is_flat = column.max_rep_level() == 0 && column.max_def_level() <= 1;
        if column.physical_type() != PhysicalType::BYTE_ARRAY || !is_flat {
            return Err(format!("the column `{name}` holds no byte arrays or text").into());
        }
    }
    for row_group in metadata.row_groups() {
        let mut rows = usize::try_from(row_group.num_rows())?;
        let mut columns = Vec::with_capacity(N);
        for index in indices {
            let pages = Pages::new(Arc::clone(&shared), row_group.column(index), rows)?;
            columns.push(Column::new(
                get_column_reader(schema.column(index), Box::new(pages)),
                &schema.column(index),
            ));
        }
        while rows > 0 {
            let count = rows.min(ROWS_AT_ONCE);
            for (column, name) in columns.iter_mut().zip(names) {
                if column.read(count)? != count {
                    return Err(format!("the column `{name}` ends too early").into());
                }
            }
            for row in 0..count {
                let mut values = [None; N];
                for (value, column) in values.iter_mut().zip(&mut columns) {
                    *value = column.value(row);
                }
                if sink(values) {
                    return Ok(());
                }
            }
            rows -= count;
        }
    }
    Ok(())
}

/// A column that is being read, and the values that were read last.
struct Column {
    reader: ColumnReaderImpl<ByteArrayType>,
    is_optional: bool,
    values: Vec<ByteArray>,
    definition_levels: Vec<i16>,
    next: usize,
}

impl Column {
    fn new(
        reader: parquet::column::reader::ColumnReader,
        description: &parquet::schema::types::ColumnDescriptor,
    ) -> Self {
        Self {
            // The type was checked: another one would panic.
            reader: get_typed_column_reader(reader),
            is_optional: description.max_def_level() > 0,
            values: Vec::new(),
            definition_levels: Vec::new(),
            next: 0,
        }
    }

    /// Reads `count` rows, or as many as there are.
    fn read(&mut self, count: usize) -> Result<usize, Problem> {
        self.values.clear();
        self.definition_levels.clear();
        self.next = 0;
        let mut rows = 0;
        while rows < count {
            let levels = self.is_optional.then_some(&mut self.definition_levels);
            let (records, ..) = self.reader.read_records(count - rows, levels, None, &mut self.values)?;
            if records == 0 {
                break;
            }
            rows += records;
        }
        Ok(rows)
    }

    /// The value of a row, of which each is asked for in turn.
    fn value(&mut self, row: usize) -> Option<&[u8]> {
        if self.is_optional && self.definition_levels.get(row) != Some(&1) {
            return None;
        }
        let value = self.values.get(self.next).map(ByteArray::data);
        self.next += 1;
        value
    }
}
