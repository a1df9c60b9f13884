-- What the database is: development or production.
select environment from cruddur.marker;
