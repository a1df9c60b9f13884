-- What was defined by people: tables, views, sequences, indexes and columns.
select
  format('%s %s.%s',
    case class.relkind
      when 'i' then 'index' when 'I' then 'index' when 'v' then 'view'
      when 'm' then 'view' when 'S' then 'sequence' else 'table'
    end,
    namespace.nspname, class.relname) as name
from pg_class as class
join pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname !~ '^(pg_|information_schema$|cruddur$)'
  and class.relkind in ('r', 'p', 'v', 'm', 'S', 'i', 'I', 'f')
union all
select format('column %s.%s.%s', namespace.nspname, class.relname, attribute.attname)
from pg_attribute as attribute
join pg_class as class on class.oid = attribute.attrelid
join pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname !~ '^(pg_|information_schema$|cruddur$)'
  and class.relkind in ('r', 'p')
  and attribute.attnum > 0
  and not attribute.attisdropped;
