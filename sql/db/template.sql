-- Whether a new database would be made for Unicode without being told.
select pg_encoding_to_char(encoding) = 'UTF8'
from pg_database
where datname = 'template1';
