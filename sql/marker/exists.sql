-- Whether the database says what it is.
select to_regclass('cruddur.marker') is not null;
