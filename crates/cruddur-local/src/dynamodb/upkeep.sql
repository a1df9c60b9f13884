-- What the engine leaves out of its table of stream records. Run at every start.

-- Each write asks for the last sequence number of its table, and each read of a
-- stream for those after one. Without an index both read every record there is,
-- so that a thousand writes cost a million.
CREATE INDEX IF NOT EXISTS cruddur_stream_order
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER));

-- A table made anew under an old name has a new stream, which begins empty.
CREATE TRIGGER IF NOT EXISTS cruddur_stream_end AFTER DELETE ON _tables
BEGIN
    DELETE FROM _stream_records WHERE table_name = OLD.table_name;
END;

-- DynamoDB keeps a stream's records for 24 hours:
-- https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
-- Here each new record ends two older ones. A start ends none: a stack that was down
-- for days has yet to move the conversations that its last records tell of.
CREATE TRIGGER IF NOT EXISTS cruddur_stream_age AFTER INSERT ON _stream_records
BEGIN
    DELETE FROM _stream_records
    WHERE id IN (SELECT id FROM _stream_records ORDER BY id LIMIT 2)
        AND created_at < unixepoch() - 24 * 60 * 60;
END;
