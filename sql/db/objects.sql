-- What was defined by people: tables, views, sequences, indexes, columns, functions,
-- types, triggers, schemas and extensions, but for what an extension brings.
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
  and not attribute.attisdropped
union all
select format('function %s.%s(%s)',
  namespace.nspname, function.proname, pg_get_function_identity_arguments(function.oid))
from pg_proc as function
join pg_namespace as namespace on namespace.oid = function.pronamespace
where namespace.nspname !~ '^(pg_|information_schema$|cruddur$)'
  and not exists (
    select from pg_depend where objid = function.oid and classid = 'pg_proc'::regclass and deptype = 'e'
  )
union all
select format('type %s.%s', namespace.nspname, type.typname)
from pg_type as type
join pg_namespace as namespace on namespace.oid = type.typnamespace
left join pg_class as class on class.oid = type.typrelid
where namespace.nspname !~ '^(pg_|information_schema$|cruddur$)'
  and (type.typtype in ('e', 'd', 'r') or class.relkind = 'c')
  and not exists (
    select from pg_depend where objid = type.oid and classid = 'pg_type'::regclass and deptype = 'e'
  )
union all
select format('trigger %s on %s.%s', trigger.tgname, namespace.nspname, class.relname)
from pg_trigger as trigger
join pg_class as class on class.oid = trigger.tgrelid
join pg_namespace as namespace on namespace.oid = class.relnamespace
where not trigger.tgisinternal
union all
select format('schema %s', nspname)
from pg_namespace
where nspname !~ '^(pg_|information_schema$|cruddur$)'
union all
select format('extension %s', extname)
from pg_extension;
