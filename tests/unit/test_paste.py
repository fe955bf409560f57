"""Paste anything: what is read out of the texts that people have at hand."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from etl_engine.connectors import registry
from etl_engine.errors import BadInput, Denied
from etl_engine.services.context import Actor, Context
from etl_engine.services.paste import LARGEST_TEXT, Understood, understand

CTX = Context(store=None, keyring=None)  # type: ignore[arg-type]  # nothing is stored or sealed
PG, MY, LITE = "postgresql", "mysql", "sqlite"


@dataclass(frozen=True)
class Case:
    """A text, and all that must be read out of it."""

    about: str
    text: str
    expected: dict[str, Any]
    notes: tuple[str, ...] = field(default=())  # words that must stand in some note; empty: there are no notes


def fields(
    kind: str | None,
    host: str = "",
    port: int = 0,
    database: str = "",
    username: str = "",
    password: str = "",
    tls: str = "",
) -> dict[str, Any]:
    values = {"db_type": kind, "host": host, "port": port, "database": database, "username": username}
    return {name: value for name, value in (values | {"password": password, "tls_mode": tls}).items() if value}


def shown(understood: Understood) -> dict[str, Any]:
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in understood.fields.items()
    }


COMPOSE = """
version: "3.8"
x-env: &common
  TZ: Europe/Berlin
services:
  web:
    image: example/web:latest
    environment:
      DATABASE_URL: postgres://app:p%23w%3A%20%241@db:5432/shop
    depends_on: [db]
  db:
    image: postgres:15-alpine   # the database
    restart: always
    environment:
      <<: *common
      POSTGRES_USER: ${DB_USER:-app}
      POSTGRES_PASSWORD: "p#w: $$1"
      POSTGRES_DB: shop
    ports:
      - "127.0.0.1:5433:5432"
    volumes:
      - data:/var/lib/postgresql/data
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U app"]
volumes:
  data:
"""
DJANGO = """
DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.postgresql',
        'NAME': 'shop',
        'USER': 'me',
        'PASSWORD': 'it\\'s {secret}',
        'HOST': os.environ.get('DB_HOST', 'db.example.com'),
        'PORT': '5433',
        'OPTIONS': {'sslmode': 'require'},
    }
}
"""
RAILS = """
default: &default
  adapter: mysql2
  encoding: utf8mb4
  pool: <%= ENV.fetch("RAILS_MAX_THREADS") { 5 } %>
  username: me
  password: pw
  host: <%= ENV.fetch("DB_HOST") { "localhost" } %>

development:
  <<: *default
  database: shop_development
test:
  <<: *default
  database: shop_test
"""
LARAVEL = """
APP_NAME=Laravel
APP_URL=http://localhost
DB_CONNECTION=mysql
DB_HOST=127.0.0.1
DB_PORT=3306
DB_DATABASE=laravel
DB_USERNAME=sail
DB_PASSWORD="pass word"
REDIS_HOST=127.0.0.1
REDIS_PASSWORD=null
MAIL_HOST=smtp.example.com
MAIL_USERNAME=mailer
"""
WORDPRESS = """
define( 'DB_NAME', 'wp' );
define( 'DB_USER', 'me' );
define( 'DB_PASSWORD', 'p;w' );
define( 'DB_HOST', 'localhost:3307' );
define( 'DB_CHARSET', 'utf8' );
"""
KUBERNETES = """
spec:
  containers:
    - name: db
      env:
        - name: POSTGRES_DB
          value: shop
        - name: POSTGRES_USER
          value: me
        - name: POSTGRES_PASSWORD
          valueFrom:
            secretKeyRef: {name: pg, key: password}
"""

MYSQL_VARIABLES = """
MYSQL_HOST=db
MYSQL_USER=me
MYSQL_PASSWORD=pw # not the real one
MYSQL_DATABASE=shop
MYSQL_ROOT_PASSWORD=x
"""
CONSOLE = """
username = doadmin
password = pw
host = db-postgresql-1.x.db.ondigitalocean.com
port = 25060
database = defaultdb
sslmode = require
"""
SERVICE_ALONE = """
db:
  image: mariadb:11
  environment:
    - MARIADB_ROOT_PASSWORD=pw
    - MARIADB_DATABASE=shop
  ports: ['3307:3306']
"""
LONG_PORTS = """
services:
  db:
    image: mysql
    environment:
      MYSQL_USER: me
    ports:
      - target: 3306
        published: '3310'
        protocol: tcp
"""
NO_VALUE = """
services:
  db:
    image: postgres
    environment:
      POSTGRES_PASSWORD: ${SECRET}
    ports: ['5432:5432']
"""
BESIDE = """
services:
  admin:
    image: dpage/pgadmin4
  exporter:
    image: x/postgres-exporter
  db:
    image: bitnami/postgresql:16
    environment:
      - POSTGRESQL_USERNAME=me
      - POSTGRESQL_DATABASE=shop
    ports: ['15432:5432']
"""

URLS = [
    Case("a URL", "postgres://me:pw@db:5433/shop", fields(PG, "db", 5433, "shop", "me", "pw")),
    Case("a driver", "postgresql+psycopg2://me:pw@db/shop", fields(PG, "db", 0, "shop", "me", "pw")),
    Case("MariaDB", "mariadb://me:pw@db:3307/shop", fields(MY, "db", 3307, "shop", "me", "pw")),
    Case("PyMySQL", "mysql+pymysql://root@localhost/shop", fields(MY, "localhost", 0, "shop", "root")),
    Case("Rails", "mysql2://me:pw@db/shop", fields(MY, "db", 0, "shop", "me", "pw")),
    Case(
        "an encoded password",
        "postgres://me:p%40s%2Fs%23w%3Ao%3Fr%25d@db/shop",
        fields(PG, "db", 0, "shop", "me", "p@s/s#w:o?r%d"),
    ),
    Case("a raw @", "postgres://me:p@ss@db:5432/shop", fields(PG, "db", 5432, "shop", "me", "p@ss")),
    Case("a raw /", "postgres://me:p/ss@db:5432/shop", fields(PG, "db", 5432, "shop", "me", "p/ss")),
    Case("a raw #", "mysql://me:p#ss@db:3306/shop", fields(MY, "db", 3306, "shop", "me", "p#ss")),
    Case("a raw ?", "postgres://me:p?ss=1@db:5432/shop", fields(PG, "db", 5432, "shop", "me", "p?ss=1")),
    Case("a raw :", "postgres://me:p:ss@db:5432/shop", fields(PG, "db", 5432, "shop", "me", "p:ss")),
    Case("a raw %", "postgres://me:100%sure@db/shop", fields(PG, "db", 0, "shop", "me", "100%sure")),
    Case(
        "all of them raw",
        "postgres://me:p@ss/w#rd?x:y@db:5432/shop?sslmode=verify-full",
        fields(PG, "db", 5432, "shop", "me", "p@ss/w#rd?x:y", "verify-full"),
    ),
    Case(
        "an @ in an option",
        "postgres://db/shop?user=me@corp&password=a@b",
        fields(PG, "db", 0, "shop", "me@corp", "a@b"),
    ),
    Case(
        "Azure",
        "postgres://me@srv:pw@srv.postgres.database.azure.com/shop?sslmode=require",
        fields(PG, "srv.postgres.database.azure.com", 0, "shop", "me@srv", "pw", "require"),
    ),
    Case("IPv6", "postgresql://me:pw@[2001:db8::1]:5433/shop", fields(PG, "2001:db8::1", 5433, "shop", "me", "pw")),
    Case("IPv6 without a port", "mysql://me:pw@[::1]/shop", fields(MY, "::1", 0, "shop", "me", "pw")),
    Case(
        "a TLS mode of MySQL",
        "mysql://me@db/shop?ssl-mode=VERIFY_IDENTITY",
        fields(MY, "db", 0, "shop", "me", tls="verify-full"),
    ),
    Case(
        "a certificate file",
        "postgres://me@db/shop?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
        fields(PG, "db", 0, "shop", "me", tls="verify-ca"),
        ("CA certificate", "paste"),
    ),
    Case(
        "the system's certificates",
        "postgres://me@db/shop?sslrootcert=system",
        fields(PG, "db", 0, "shop", "me", tls="verify-full"),
    ),
    Case(
        "PlanetScale",
        'mysql://me:pw@aws.connect.psdb.cloud/shop?ssl={"rejectUnauthorized":true}',
        fields(MY, "aws.connect.psdb.cloud", 0, "shop", "me", "pw", "verify-full"),
    ),
    Case("several hosts", "postgresql://me@h1:5432,h2:5433/shop", fields(PG, "h1", 5432, "shop", "me"), ("2 hosts",)),
    Case("a socket", "postgresql://me@%2Fvar%2Frun/shop", fields(PG, "", 0, "shop", "me"), ("socket",)),
    Case("a socket in an option", "postgresql:///shop?host=/tmp", fields(PG, "", 0, "shop"), ("socket",)),
    Case(
        "other options",
        "postgres://me@db/shop?application_name=x&connect_timeout=3",
        fields(PG, "db", 0, "shop", "me"),
        ("Not used: application_name, connect_timeout.",),
    ),
    Case("a port that is none", "postgres://me@db:99999/shop", fields(PG, "db", 0, "shop", "me"), ("port",)),
    Case(
        "Supabase",
        "postgresql://postgres:[YOUR-PASSWORD]@db.abcdefgh.supabase.co:5432/postgres",
        fields(PG, "db.abcdefgh.supabase.co", 5432, "postgres", "postgres", tls="require"),
        ("placeholder",),
    ),
    Case(
        "Neon",
        "postgresql://me:pw@ep-cool-1.eu-central-1.aws.neon.tech/shop?sslmode=require&channel_binding=require",
        fields(PG, "ep-cool-1.eu-central-1.aws.neon.tech", 0, "shop", "me", "pw", "require"),
        ("channel_binding",),
    ),
    Case(
        "Heroku",
        "postgres://u:p@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d1",
        fields(PG, "ec2-1-2-3-4.compute-1.amazonaws.com", 5432, "d1", "u", "p", "require"),
    ),
    Case(
        "in a program",
        'engine = create_engine("postgresql://me:p;w@db/shop", echo=True)',
        fields(PG, "db", 0, "shop", "me", "p;w"),
    ),
    Case("in a code fence", "```\npostgres://me:pw@db/shop\n```", fields(PG, "db", 0, "shop", "me", "pw")),
    Case("in quotes", '"mysql://me:pw@db/shop"', fields(MY, "db", 0, "shop", "me", "pw")),
    Case("in a sentence", "use postgres://me:pw@db/shop, please", fields(PG, "db", 0, "shop", "me", "pw")),
    Case("a Unicode host", "postgres://me:pw@bücher.example/shop", fields(PG, "bücher.example", 0, "shop", "me", "pw")),
    Case("JDBC", "jdbc:postgresql://db:5433/shop?user=me&password=p%26w", fields(PG, "db", 5433, "shop", "me", "p&w")),
    Case("JDBC, ssl=true", "jdbc:postgresql://db/shop?ssl=true", fields(PG, "db", 0, "shop", tls="verify-full")),
    Case(
        "JDBC of MySQL", "jdbc:mysql://db/shop?user=me&useSSL=false", fields(MY, "db", 0, "shop", "me", tls="disable")
    ),
    Case("JDBC of MariaDB", "jdbc:mariadb://db:3307/shop", fields(MY, "db", 3307, "shop")),
    Case("JDBC with addresses", "jdbc:mysql://address=(host=db)(port=3307)/shop", fields(MY, "db", 3307, "shop")),
    Case(
        "JDBC, many hosts", "jdbc:mysql:replication://a:3306,b:3306/shop", fields(MY, "a", 3306, "shop"), ("2 hosts",)
    ),
    Case("JDBC of this machine", "jdbc:postgresql:shop", fields(PG, "localhost", 0, "shop")),
    Case("JDBC behind a wrapper", "jdbc:aws-wrapper:postgresql://db:5432/shop", fields(PG, "db", 5432, "shop")),
    Case("JDBC of SQLite", "jdbc:sqlite:/srv/shop.db", fields(LITE, database="/srv/shop.db")),
    Case(
        "Go",
        "me:p@s:s@tcp(127.0.0.1:3306)/shop?tls=true",
        fields(MY, "127.0.0.1", 3306, "shop", "me", "p@s:s", "verify-full"),
    ),
    Case("no scheme", "me@db.example.com:3306/shop", fields(MY, "db.example.com", 3306, "shop", "me")),
    Case("host and port", "db.example.com:5432", fields(PG, "db.example.com", 5432)),
    Case("SQLite", "sqlite:///shop.db", fields(LITE, database="shop.db")),
    Case("SQLite, absolute", "sqlite:////srv/shop%20one.db", fields(LITE, database="/srv/shop one.db")),
    Case("a file", "./data/my shop.sqlite3", fields(LITE, database="./data/my shop.sqlite3")),
    Case("a file URI", "file:shop.db?mode=ro", fields(LITE, database="shop.db"), ("mode",)),
    Case("DuckDB", "duckdb:///shop.duckdb", fields("duckdb", database="shop.duckdb")),
    Case("DuckDB, absolute", "duckdb:////srv/shop%20one.db", fields("duckdb", database="/srv/shop one.db")),
    Case("JDBC of DuckDB", "jdbc:duckdb:/srv/shop.db", fields("duckdb", database="/srv/shop.db")),
    Case("a file of DuckDB", "./data/my shop.duckdb", fields("duckdb", database="./data/my shop.duckdb")),
    Case("DuckDB's shell", "duckdb -readonly data/shop.ddb", fields("duckdb", database="data/shop.ddb")),
    Case("DuckDB in memory", "duckdb://:memory:", fields("duckdb"), ("memory",)),
    Case("memory", "sqlite://", fields(LITE), ("memory",)),
]
PLACES = [
    Case("a bucket", "s3://my-data", {"db_type": "s3", "bucket": "my-data"}),
    Case("a folder", "s3://my-data/exports/2024/", {"db_type": "s3", "bucket": "my-data", "prefix": "exports/2024"}),
    Case(
        "a file in a bucket",
        "s3a://my-data/exports/orders.parquet",
        {"db_type": "s3", "bucket": "my-data", "prefix": "exports"},
        ("orders.parquet",),
    ),
    Case(
        "Amazon's address",
        "https://my-data.s3.eu-central-1.amazonaws.com/a%20b/orders.csv.gz",
        {"db_type": "s3", "bucket": "my-data", "prefix": "a b", "host": "s3.eu-central-1.amazonaws.com",
         "region": "eu-central-1"},
        ("orders.csv.gz",),
    ),
    Case(
        "Amazon's address by path",
        "https://s3.us-west-2.amazonaws.com/my-data/x/",
        {"db_type": "s3", "bucket": "my-data", "prefix": "x", "host": "s3.us-west-2.amazonaws.com",
         "region": "us-west-2"},
    ),
    Case("Parquet", "data/orders.parquet", {"db_type": "files", "folder": "data"}, ("orders.parquet",)),
    Case("CSV here", "'my orders.csv'", {"db_type": "files", "folder": "."}, ("my orders.csv",)),
    Case("a pattern", "file:///srv/x/2024-*/*.csv.gz", {"db_type": "files", "folder": "/srv/x"}, ("2024-*/*.csv.gz",)),
    Case("DuckDB's function", "FROM read_csv('in/*.txt')", {"db_type": "files", "folder": "in"}, ("*.txt",)),
    Case("a lake", "/srv/lake/shop/orders/_delta_log/", {"db_type": "lake", "folder": "/srv/lake/shop"}, ("orders",)),
    Case("Spark's lake", "delta.`lake/orders`", {"db_type": "lake", "folder": "lake"}, ("orders",)),
    Case(
        "a lake in a bucket",
        "s3://my-data/lake/orders/_delta_log/00000000000000000000.json",
        {"db_type": "lake", "bucket": "my-data", "folder": "lake"},
        ("orders",),
    ),
]  # fmt: skip
LINES = [
    Case(
        "libpq",
        "host=db port=5433 dbname='my shop' user=me password='it\\'s'",
        fields(PG, "db", 5433, "my shop", "me", "it's"),
    ),
    Case(
        "libpq, several hosts",
        "host=a,b dbname=shop target_session_attrs=any",
        fields(PG, "a", 0, "shop"),
        ("2 hosts", "target_session_attrs"),
    ),
    Case(".pgpass", r"db:5432:shop:me:p\:w\\x", fields(PG, "db", 5432, "shop", "me", r"p:w\x")),
    Case(".pgpass for any", "*:*:*:me:pw", fields(PG, "", 0, "", "me", "pw")),
    Case(
        "the image's variables",
        "POSTGRES_USER=me\nPOSTGRES_PASSWORD=pw\nPOSTGRES_DB=shop",
        fields(PG, "", 0, "shop", "me", "pw"),
    ),
    Case(
        "libpq's variables",
        "export PGHOST=db\nexport PGPORT=5433\nexport PGUSER=me\nPGPASSWORD='p w'\nPGDATABASE=shop\nPGSSLMODE=require",
        fields(PG, "db", 5433, "shop", "me", "p w", "require"),
    ),
    Case(
        "MySQL's variables",
        MYSQL_VARIABLES,
        fields(MY, "db", 0, "shop", "me", "pw"),
        ("root",),
    ),
    Case("root", "MARIADB_ROOT_PASSWORD=pw\nMARIADB_DATABASE=shop", fields(MY, "", 0, "shop", "root", "pw")),
    Case(
        "two prefixes, one database",
        "POSTGRES_USER=me\nPOSTGRES_DB=shop\nDB_HOST=db\nDB_PORT=5432",
        fields(PG, "db", 5432, "shop", "me"),
    ),
    Case("Laravel", LARAVEL, fields(MY, "127.0.0.1", 3306, "laravel", "sail", "pass word")),
    Case(
        "a URL among settings",
        "DEBUG=1\nDATABASE_URL=postgres://me:p#w@db/shop\nREDIS_URL=redis://r",
        fields(PG, "db", 0, "shop", "me", "p#w"),
    ),
    Case(
        "references",
        'DB_USER=me\nDB_PASSWORD=pw\nDATABASE_URL="postgres://${DB_USER}:${DB_PASSWORD}@${DB_HOST:-db}/shop"',
        fields(PG, "db", 0, "shop", "me", "pw"),
    ),
    Case("a dollar in a password", "PGHOST=db\nPGPASSWORD=pa$$w$rd", fields(PG, "db", password="pa$$w$rd")),
    Case("an unknown reference", "PGHOST=db\nPGPASSWORD=${SECRET}", fields(PG, "db"), ("PGPASSWORD refers",)),
    Case(
        "a secret file",
        "POSTGRES_USER=me\nPOSTGRES_PASSWORD_FILE=/run/secrets/pg",
        fields(PG, username="me"),
        ("password itself",),
    ),
    Case(
        "Spring",
        "spring.datasource.url=jdbc:postgresql://db:5432/shop\nspring.datasource.username=me\nspring.datasource.password=pw",
        fields(PG, "db", 5432, "shop", "me", "pw"),
    ),
    Case(
        "a console",
        CONSOLE,
        fields(PG, "db-postgresql-1.x.db.ondigitalocean.com", 25060, "defaultdb", "doadmin", "pw", "require"),
    ),
    Case(
        "name: value",
        "Host: db\nPort: 3306\nUser: me\nPassword: pw\nDatabase: shop",
        fields(MY, "db", 3306, "shop", "me", "pw"),
    ),
    Case("my.cnf", '[client]\nhost=db\nuser=me\npassword="p#w"\n', fields(MY, "db", username="me", password="p#w")),
    Case("PowerShell", '$env:PGHOST = "db"\n$env:PGUSER = "me"', fields(PG, "db", username="me")),
    Case(
        "two databases",
        "POSTGRES_HOST=a\nPOSTGRES_DB=x\nMYSQL_HOST=b\nMYSQL_DATABASE=y",
        fields(PG, "a", 0, "x"),
        ("2 databases",),
    ),
    Case(
        "unknown kind",
        "DB_HOST=db\nDB_NAME=shop\nDB_USER=me",
        fields(None, "db", 0, "shop", "me"),
        ("choose PostgreSQL or MySQL",),
    ),
    Case(
        "ADO.NET",
        "Server=db;Port=3306;Database=shop;User Id=me;Password={a;b}}c};SslMode=Required",
        fields(MY, "db", 3306, "shop", "me", "a;b}c", "require"),
    ),
    Case(
        "Npgsql",
        'Host=db;Username=me;Password="p""w;";Database=shop;SSL Mode=VerifyFull;Pooling=true',
        fields(PG, "db", 0, "shop", "me", 'p"w;', "verify-full"),
        ("Pooling",),
    ),
    Case(
        "ODBC",
        "Driver={PostgreSQL Unicode};Server=db;Port=5433;Database=shop;Uid=me;Pwd=pw;",
        fields(PG, "db", 5433, "shop", "me", "pw"),
    ),
    Case(
        "PDO",
        "mysql:host=localhost;port=3307;dbname=shop;charset=utf8",
        fields(MY, "localhost", 3307, "shop"),
        ("charset",),
    ),
]
COMMANDS = [
    Case("psql", "psql -h db -p 5433 -U me shop", fields(PG, "db", 5433, "shop", "me")),
    Case(
        "psql with a prompt",
        "$ PGPASSWORD='p w' psql --host=db --username me -d shop -c 'select 1'",
        fields(PG, "db", 0, "shop", "me", "p w"),
    ),
    Case(
        "psql and a URL",
        "psql 'postgres://me:p@w@db/shop?sslmode=require'",
        fields(PG, "db", 0, "shop", "me", "p@w", "require"),
    ),
    Case("psql and a DSN", 'psql "host=db dbname=shop user=me"', fields(PG, "db", 0, "shop", "me")),
    Case("pg_dump", "pg_dump -t users -Fc -hdb -Ume shop > shop.dump", fields(PG, "db", 0, "shop", "me")),
    Case("mysql", "mysql -hdb -P3307 -ume -psecret shop", fields(MY, "db", 3307, "shop", "me", "secret")),
    Case("mysql, a password asked for", "mysql -h db -u me -p shop", fields(MY, "db", 0, "shop", "me")),
    Case(
        "mariadb, long",
        "mariadb --host db --port=3307 --user=me --password='p w' --database=shop --ssl-verify-server-cert",
        fields(MY, "db", 3307, "shop", "me", "p w", "verify-full"),
    ),
    Case(
        "mysqldump in lines",
        "mysqldump -u root \\\n  -p'a b' \\\n  shop | gzip",
        fields(MY, "", 0, "shop", "root", "a b"),
    ),
    Case("mysqlsh", "mysqlsh --uri me@db:3306/shop", fields(MY, "db", 3306, "shop", "me")),
    Case("inside a container", "docker exec -it pg psql -U me shop", fields(PG, "", 0, "shop", "me"), ("container",)),
    Case(
        "a password from the shell",
        "mysql -h db -u me -p$PW shop",
        fields(MY, "db", 0, "shop", "me"),
        ("-p", "variable"),
    ),
    Case(
        "docker run",
        "docker run --name pg -e POSTGRES_PASSWORD=pw -p 5433:5432 -d postgres:15",
        fields(PG, "localhost", 5433, "postgres", "postgres", "pw"),
    ),
    Case("sqlite3", "sqlite3 -header data/shop.db", fields(LITE, database="data/shop.db")),
]
TREES = [
    Case("docker-compose", COMPOSE, fields(PG, "localhost", 5433, "shop", "app", "p#w: $1")),
    Case(
        "a service alone",
        SERVICE_ALONE,
        fields(MY, "localhost", 3307, "shop", "root", "pw"),
    ),
    Case(
        "no port",
        "services:\n  pg:\n    image: postgis/postgis:16\n    environment: {POSTGRES_PASSWORD: pw, POSTGRES_USER: me}",
        fields(PG, "pg", 5432, "me", "me", "pw"),
        ("publishes no port",),
    ),
    Case(
        "long ports",
        LONG_PORTS,
        fields(MY, "localhost", 3310, "", "me"),
    ),
    Case(
        "a variable without a value",
        NO_VALUE,
        fields(PG, "localhost", 5432, "postgres", "postgres"),
        ("POSTGRES_PASSWORD refers",),
    ),
    Case(
        "not the admin's tool",
        BESIDE,
        fields(PG, "localhost", 15432, "shop", "me"),
    ),
    Case("Kubernetes", KUBERNETES, fields(PG, "", 0, "shop", "me")),
    Case("Rails", RAILS, fields(MY, "localhost", 0, "shop_development", "me", "pw"), ("2 databases",)),
    Case(
        "Spring",
        "spring:\n  datasource:\n    url: jdbc:mysql://db:3306/shop\n    username: me\n    password: ${PW:pw}\n",
        fields(MY, "db", 3306, "shop", "me", "pw"),
    ),
    Case("Django", DJANGO, fields(PG, "db.example.com", 5433, "shop", "me", "it's {secret}", "require")),
    Case("WordPress", WORDPRESS, fields(MY, "localhost", 3307, "wp", "me", "p;w")),
    Case(
        "a call",
        'pymysql.connect(host="db", user="me", password="p,w", database="shop")',
        fields(MY, "db", 0, "shop", "me", "p,w"),
    ),
    Case("a call with a DSN", 'psycopg2.connect("host=db dbname=shop user=me")', fields(PG, "db", 0, "shop", "me")),
    Case(
        "JavaScript",
        "new Pool({ host: process.env.DB_HOST || 'db', port: 5433, user: 'me', database: 'shop' }) // require('pg')",
        fields(PG, "db", 5433, "shop", "me"),
    ),
    Case(
        "PHP",
        "'mysql' => ['host' => env('DB_HOST', 'db'), 'username' => 'me', 'password' => 'p=>w', 'database' => 'shop']",
        fields(MY, "db", 0, "shop", "me", "p=>w"),
    ),
    Case(
        "a secrets manager",
        '{"username":"me","password":"p\\"w","engine":"postgres","host":"x.abc.eu-west-1.rds.amazonaws.com","port":5432,"dbname":"shop"}',
        fields(PG, "x.abc.eu-west-1.rds.amazonaws.com", 5432, "shop", "me", 'p"w'),
    ),
    Case(
        "knex",
        '{"client":"pg","connection":{"host":"db","user":"me","password":"pw","database":"shop"}}',
        fields(PG, "db", 0, "shop", "me", "pw"),
    ),
    Case(
        "TypeORM",
        '[{"type":"mariadb","host":"db","port":3307,"username":"me","database":"shop","synchronize":true}]',
        fields(MY, "db", 3307, "shop", "me"),
    ),
    Case(
        "appsettings.json",
        '{"ConnectionStrings":{"Default":"Host=db;Username=me;Password=pw;Database=shop"}}',
        fields(PG, "db", 0, "shop", "me", "pw"),
    ),
]
CASES = [*URLS, *PLACES, *LINES, *COMMANDS, *TREES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_a_pasted_text_fills_exactly_the_fields_it_speaks_of(case: Case) -> None:
    found = understand(CTX, case.text)
    assert shown(found) == case.expected
    assert found.db_type == case.expected.get("db_type")
    remarks = "\n".join(found.notes)
    assert all(words in remarks for words in case.notes), remarks
    assert bool(found.notes) == bool(case.notes), remarks


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_every_field_says_where_it_was_read_and_nothing_repeats_the_password(case: Case) -> None:
    found = understand(CTX, case.text)
    assert {reading.field for reading in found.understood} == set(found.fields)
    assert all(reading.source and reading.title for reading in found.understood)
    password = case.expected.get("password", "")
    if len(password) >= 5:
        assert password not in repr(found)


def test_sources_read_like_sentences() -> None:
    found = understand(CTX, "POSTGRES_HOST=db\nPOSTGRES_DB=shop")
    assert [reading.sentence for reading in found.understood] == [
        "Type from POSTGRES_HOST",
        "Host from POSTGRES_HOST",
        "Database from POSTGRES_DB",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("postgres://me@db.example.com/shop", "shop on db.example.com"),
        ("postgres://me@localhost/shop", "shop on this machine"),
        ("postgres://me@ep-x.eu.aws.neon.tech/shop", "shop on Neon"),
        ("mysql://me@db.example.com", "db.example.com"),
        ("sqlite:////srv/data/web shop.db", "web shop"),
        ("postgres://me@db/" + "x" * 300, "x" * 60 + " on db"),
    ],
)
def test_a_name_is_suggested(text: str, name: str) -> None:
    assert understand(CTX, text).name == name


@pytest.mark.parametrize(
    "text",
    [
        *("", "   \n", "hello world", "Please call me at 10:30", "{}", "[]", "a: b", "import os", "12345", "<xml/>"),
        *(
            "HOST=0.0.0.0\nPORT=3000",
            "REDIS_HOST=r\nREDIS_PASSWORD=x",
            "SMTP_HOST=mail\nSMTP_USER=me",
            "key: |\n  text",
        ),
        *("https://example.com/", "services:\n  web:\n    image: nginx\n", "\0", "\ufeff", "=", ":", "@", "://"),
    ],
)
def test_a_text_about_something_else_is_refused_with_what_can_be_pasted(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        understand(CTX, text)
    assert "docker-compose" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("mongodb://me:hunter2@db/shop", "MongoDB"),
        ("jdbc:sqlserver://db;databaseName=shop;password=hunter2", "SQL Server"),
        ("REDIS_URL=redis://:hunter2@db", "Redis"),
        ("https://me:hunter2@db.example.com", "a web server"),
        ("Server=tcp:x.database.windows.net,1433;Initial Catalog=shop;User ID=me;Password=hunter2", "SQL Server"),
    ],
)
def test_an_address_of_another_kind_of_server_is_named_as_such(text: str, title: str) -> None:
    with pytest.raises(BadInput, match=title) as refused:
        understand(CTX, text)
    assert "hunter2" not in str(refused.value) + refused.value.hint


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(BadInput, match="65536"):
        understand(CTX, "postgres://me@db/shop" + " " * LARGEST_TEXT)


@pytest.mark.parametrize(
    "text", ["********", "[YOUR-PASSWORD]", "<password>", "<db_password>", "{your_secret}", "••••••"]
)
def test_a_placeholder_is_not_taken_for_a_password(text: str) -> None:
    found = understand(CTX, f"PGHOST=db\nPGPASSWORD={text}")
    assert "password" not in found.fields
    assert found.notes == ("The password is a placeholder: enter the real one.",)


def test_reading_needs_a_right() -> None:
    with pytest.raises(Denied):
        understand(CTX.for_request("", Actor("nobody")), "postgres://me@db/shop")


@pytest.mark.parametrize("case", PLACES, ids=lambda case: case.about)
def test_what_is_read_of_a_place_makes_a_connection(case: Case) -> None:
    kind = registry.kind(case.expected["db_type"])
    made = kind.config.model_validate({"name": "pasted", **case.expected})
    assert made.model_dump(include=set(case.expected)) == case.expected
