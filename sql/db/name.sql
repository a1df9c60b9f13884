-- The database that this session is in.
select current_database()::text;
