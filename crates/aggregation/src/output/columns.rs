//! Parquet, with the columns that the Avro schemas have.

use std::sync::Arc;

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, Int64Type},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use super::{DebugFact, Encoded, Fact, UNPROTECTED, bucket_bytes};

const SUMMARY: &str = "message AggregatedFact { REQUIRED BYTE_ARRAY bucket; REQUIRED INT64 metric; }";

const DEBUG: &str = "message DebugAggregatedFact {
    REQUIRED BYTE_ARRAY bucket;
    REQUIRED INT64 unnoised_metric;
    REQUIRED INT64 noise;
    REQUIRED GROUP annotations (LIST) { REPEATED GROUP list { REQUIRED BYTE_ARRAY element (ENUM); } }
}";

type Writer<'a> = SerializedFileWriter<&'a mut Vec<u8>>;
type RowGroup<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut Vec<u8>>;
type Written = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Rows that are in memory at once, by column.
const ROWS_PER_GROUP: usize = 1 << 20;

pub(super) fn summary(facts: impl Iterator<Item = Fact>, unprotected: Option<&str>) -> Encoded {
    write(SUMMARY, facts, unprotected, |group, facts| {
        write_column::<ByteArrayType>(group, &buckets(facts.iter().map(|fact| &fact.bucket)), None)?;
        write_column::<Int64Type>(group, &Vec::from_iter(facts.iter().map(|fact| fact.metric)), None)
    })
}

pub(super) fn debug(facts: impl Iterator<Item = DebugFact>, unprotected: Option<&str>) -> Encoded {
    write(DEBUG, facts, unprotected, |group, facts| {
        write_column::<ByteArrayType>(group, &buckets(facts.iter().map(|fact| &fact.bucket)), None)?;
        write_column::<Int64Type>(
            group,
            &Vec::from_iter(facts.iter().map(|fact| fact.unnoised_metric)),
            None,
        )?;
        write_column::<Int64Type>(group, &Vec::from_iter(facts.iter().map(|fact| fact.noise)), None)?;
        let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        for fact in facts {
            let start = values.len();
            values.extend(fact.annotations().map(ByteArray::from));
            let count = values.len() - start;
            // A list of none is a level of its own.
            definition.extend(std::iter::repeat_n(i16::from(count > 0), count.max(1)));
            repetition.extend((0..count.max(1)).map(|index| i16::from(index > 0)));
        }
        write_column::<ByteArrayType>(group, &values, Some((&definition, &repetition)))
    })
}

fn buckets<'a>(buckets: impl Iterator<Item = &'a u128>) -> Vec<ByteArray> {
    buckets.map(|bucket| ByteArray::from(bucket_bytes(bucket))).collect()
}

fn write<T>(
    schema: &str,
    facts: impl Iterator<Item = T>,
    unprotected: Option<&str>,
    mut write_group: impl FnMut(&mut RowGroup<'_, '_>, &[T]) -> Written,
) -> Encoded {
    let mark = unprotected.map(|what| vec![KeyValue::new(UNPROTECTED.to_owned(), what.to_owned())]);
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_key_value_metadata(mark).build();
    let mut out = Vec::new();
    let mut writer: Writer<'_> =
        SerializedFileWriter::new(&mut out, Arc::new(parse_message_type(schema)?), Arc::new(properties))?;
    let mut facts = facts.peekable();
    while facts.peek().is_some() {
        let rows: Vec<T> = facts.by_ref().take(ROWS_PER_GROUP).collect();
        let mut group = writer.next_row_group()?;
        write_group(&mut group, &rows)?;
        group.close()?;
    }
    writer.close()?;
    Ok(out)
}

fn write_column<T: DataType>(
    group: &mut RowGroup<'_, '_>,
    values: &[T::T],
    levels: Option<(&[i16], &[i16])>,
) -> Written {
    let mut column = group.next_column()?.ok_or("the schema has fewer columns")?;
    let (definition, repetition) = levels.unzip();
    column.typed::<T>().write_batch(values, definition, repetition)?;
    Ok(column.close()?)
}
