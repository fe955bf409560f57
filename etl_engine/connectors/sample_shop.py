"""A small web shop in a SQLite file, to try the product with: two years of orders, always exactly the same ones.

The dates are fixed, not "the last two years": whoever makes the shop, whenever, sees the same rows, so that documents
and screenshots can speak of them. All money is whole cents; the total of an order is the sum of its items, plus
shipping, minus discount.
"""

import bisect
import datetime as dt
import random
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl_engine.connectors.sample_words import CATEGORIES, COUNTRIES, NOTES, QUALITIES

APPLICATION_ID = 0x45544C53  # in the header of the file; says that this is the sample shop
VERSION = 1
LAST_DAY = dt.date(2025, 12, 31)
DAYS = 731  # two years, one of them a leap year
CUSTOMERS = 6000
PRODUCTS_A_CATEGORY = 24
TABLES = ("categories", "products", "customers", "orders", "order_items")
_SEED = 20_240_101

OnProgress = Callable[[float, str], None]  # how much is done, from 0 to 1, and what is being made
Row = tuple[Any, ...]

_SCHEMA = """
CREATE TABLE categories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    category_id INTEGER NOT NULL REFERENCES categories (id),
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    weight_grams INTEGER,
    discontinued_on DATE
);
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    country TEXT NOT NULL,
    city TEXT NOT NULL,
    birth_date DATE,
    newsletter BOOLEAN NOT NULL,
    referred_by INTEGER REFERENCES customers (id),
    registered_at DATETIME NOT NULL
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    ordered_at DATETIME NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('new', 'paid', 'shipped', 'delivered', 'returned', 'cancelled')),
    payment TEXT NOT NULL,
    shipping_cents INTEGER NOT NULL,
    discount_cents INTEGER NOT NULL,
    total_cents INTEGER NOT NULL,
    discount_code TEXT,
    note TEXT,
    shipped_at DATETIME,
    updated_at DATETIME NOT NULL
);
CREATE TABLE order_items (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_price_cents INTEGER NOT NULL
);
CREATE VIEW revenue_by_day AS
    SELECT date(ordered_at) AS day, count(*) AS orders, sum(total_cents) AS total_cents
    FROM orders WHERE status NOT IN ('cancelled', 'returned') GROUP BY 1;
"""
_INDEXES = """
CREATE INDEX products_category_id ON products (category_id);
CREATE INDEX customers_country ON customers (country);
CREATE INDEX orders_customer_id ON orders (customer_id);
CREATE INDEX orders_ordered_at ON orders (ordered_at);
CREATE INDEX orders_updated_at ON orders (updated_at);
CREATE INDEX order_items_order_id ON order_items (order_id);
CREATE INDEX order_items_product_id ON order_items (product_id);
"""
# The file is new and becomes visible only when it is complete, so nothing has to survive a crash before that.
_FAST = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA page_size = 4096; PRAGMA cache_size = -65536;"

_WEEKDAYS = (0.95, 0.9, 0.92, 1.0, 1.1, 1.3, 1.2)  # Monday first
_MONTHS = (0.85, 0.85, 0.95, 1.0, 1.0, 0.95, 0.88, 0.9, 1.0, 1.08, 1.3, 1.55)
_HOURS = (
    7,
    8,
    8,
    9,
    9,
    10,
    10,
    11,
    11,
    12,
    12,
    12,
    13,
    14,
    15,
    16,
    17,
    17,
    18,
    18,
    19,
    19,
    19,
    20,
    20,
    20,
    21,
    21,
    22,
    23,
    0,
)
_ENDINGS = (1, 1, 5, 10, 50, 0)  # prices end in .99, .95, .90, .50 or .00
_LINES = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6)
_QUANTITIES = (1, 1, 1, 1, 1, 1, 2, 2, 3, 10)
_PAYMENTS = ("card", "card", "card", "wallet", "wallet", "transfer")
_FREE_SHIPPING_FROM = 6_000
_SHIPPING = 490
_NOT_DECOMPOSED = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "ı": "i", "'": "", "-": "", "đ": "d"})


@dataclass(frozen=True)
class _Product:
    id: int
    category: int
    price: int
    price_before: int  # until the end of the first year


def build(file: Path, on_progress: OnProgress = lambda done, what: None, *, last_day: dt.date = LAST_DAY) -> None:
    """Fill a new, empty file. About a third of a million rows; nothing of it depends on the time, the place or luck."""
    # Only random() is promised to give the same numbers in every version of Python, so everything is made of it.
    chance = random.Random(_SEED).random  # noqa: S311 - this is a dice, not a secret
    first_day = last_day - dt.timedelta(days=DAYS - 1)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.executescript(_FAST + _SCHEMA)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("BEGIN")
        on_progress(0.0, "products")
        products = _fill_products(database, chance, first_day)
        on_progress(0.02, "customers")
        registered = _fill_customers(database, chance, first_day)
        _fill_orders(database, chance, first_day, products, registered, on_progress)
        on_progress(0.8, "indexes")
        for statement in filter(None, (part.strip() for part in _INDEXES.split(";"))):
            database.execute(statement)
        database.execute("COMMIT")
        database.execute("ANALYZE")  # row counts for whoever plans a query
    on_progress(1.0, "done")


def _fill_products(database: sqlite3.Connection, chance: Callable[[], float], first_day: dt.date) -> list[_Product]:
    database.executemany("INSERT INTO categories VALUES (?, ?)", enumerate((one.name for one in CATEGORIES), 1))
    products: list[_Product] = []
    rows: list[Row] = []
    for number, category in enumerate(CATEGORIES, 1):
        taken: set[str] = set()
        for place in range(PRODUCTS_A_CATEGORY):
            goods, euros = category.goods[place % len(category.goods)]
            quality = QUALITIES[int(chance() * len(QUALITIES))]
            while f"{quality} {goods}" in taken:
                quality = QUALITIES[int(chance() * len(QUALITIES))]
            taken.add(f"{quality} {goods}")
            dearer = chance()
            price = int(euros * (1 + dearer * dearer)) * 100 - _ENDINGS[int(chance() * len(_ENDINGS))]
            product = _Product(len(products) + 1, number, price, price - price * int(chance() * 9) // 100)
            weight = None if chance() < 0.1 else 50 + int(chance() * 4000)
            ended = first_day + dt.timedelta(days=365 + int(chance() * 300)) if chance() < 0.06 else None
            sku = f"{category.name[:2].upper()}-{product.id:04}"
            rows.append((product.id, sku, f"{quality} {goods}", number, price, weight, ended and ended.isoformat()))
            products.append(product)
    database.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return products


def _fill_customers(database: sqlite3.Connection, chance: Callable[[], float], first_day: dt.date) -> list[int]:
    """Customers in the order of their registration; answers the day of each, counted from the first day of the shop."""
    # A third of them were there before the first order.
    days = sorted(int(chance() * (DAYS * 1.5)) - DAYS // 2 for _ in range(CUSTOMERS))
    countries = [country for country in COUNTRIES for _ in range(country.share)]

    def rows() -> Iterator[Row]:
        for number, day in enumerate(days, 1):
            country = countries[int(chance() * len(countries))]
            first, _, first_latin = country.first_names[int(chance() * len(country.first_names))].partition("/")
            last, _, last_latin = country.last_names[int(chance() * len(country.last_names))].partition("/")
            city = country.cities[int(chance() * len(country.cities))]
            email = f"{_ascii(first_latin or first)}.{_ascii(last_latin or last)}{number}@example.com"
            born = None if chance() < 0.25 else first_day - dt.timedelta(days=6_600 + int(chance() * 21_000))
            referred = 1 + int(chance() * (number - 1)) if number > 1 and chance() < 0.15 else None
            registered = f"{first_day + dt.timedelta(days=day)} {_time(chance)}"
            newsletter = int(chance() < 0.4)
            person = (number, email, first, last, country.code, city, born and born.isoformat())
            yield (*person, newsletter, referred, registered)

    database.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())
    return days


def _fill_orders(
    database: sqlite3.Connection,
    chance: Callable[[], float],
    first_day: dt.date,
    products: list[_Product],
    registered: list[int],
    on_progress: OnProgress,
) -> None:
    shop = _Shop(chance, products, registered)
    for day in range(DAYS):
        date = first_day + dt.timedelta(days=day)
        orders, items = shop.day(day, date)
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", orders)
        database.executemany("INSERT INTO order_items VALUES (?, ?, ?, ?, ?)", items)
        if day % 30 == 0:
            on_progress(0.05 + 0.75 * day / DAYS, "orders")


class _Shop:
    """Makes the orders of one day after the other."""

    def __init__(self, chance: Callable[[], float], products: list[_Product], registered: list[int]) -> None:
        self._chance = chance
        self._registered = registered
        # Few products sell much, whatever their category.
        self._by_rank = sorted(products, key=lambda product: (product.id * 7919) % 1009)
        self._in_season = {
            month: [p for p in products if month in CATEGORIES[p.category - 1].months] or products
            for month in range(1, 13)
        }
        self._orders = self._items = 0
        self._buyers: set[int] = set()

    def day(self, day: int, date: dt.date) -> tuple[list[Row], list[Row]]:
        chance = self._chance
        rush = 2.2 if date.month == 11 and date.weekday() == 4 and 23 <= date.day <= 29 else 1.0
        wanted = (70 + 0.11 * day) * _WEEKDAYS[date.weekday()] * _MONTHS[date.month - 1] * rush
        times = sorted(_time(chance) for _ in range(int(wanted + chance() * 12)))
        customers = bisect.bisect_left(self._registered, day)  # those who were there yesterday
        orders: list[Row] = []
        items: list[Row] = []
        for time in times:
            self._orders += 1
            # Four in ten orders come from the fifth of the customers who come back.
            customer = 1 + int(chance() * customers * (0.2 if chance() < 0.4 else 1.0))
            goods = self._basket(items, day, date.month)
            orders.append(self._order(customer, goods, f"{date} {time}", date, DAYS - 1 - day))
        return orders, items

    def _basket(self, items: list[Row], day: int, month: int) -> int:
        """Adds the items of the order; answers what they cost."""
        chance, cents = self._chance, 0
        for _ in range(_LINES[int(chance() * len(_LINES))]):
            season = self._in_season[month]
            if chance() < 0.3:
                product = season[int(chance() * len(season))]
            else:
                rank = chance()
                product = self._by_rank[int(rank * rank * len(self._by_rank))]
            quantity = _QUANTITIES[int(chance() * len(_QUANTITIES))]
            price = product.price if day > 365 else product.price_before
            self._items += 1
            items.append((self._items, self._orders, product.id, quantity, price))
            cents += quantity * price
        return cents

    def _order(self, customer: int, goods: int, ordered: str, date: dt.date, age: int) -> Row:
        chance = self._chance
        shipping = 0 if goods >= _FREE_SHIPPING_FROM else _SHIPPING
        code, discount = None, 0
        if customer not in self._buyers and chance() < 0.5:
            code, discount = "WELCOME10", goods // 10
        self._buyers.add(customer)
        luck, delay = chance(), 1 + int(chance() * 3)
        shipped = f"{date + dt.timedelta(days=delay)} {_time(chance)}" if age >= delay and luck > 0.03 else None
        if luck <= 0.03:
            status = "cancelled"
        elif shipped is None:
            status = "paid" if luck < 0.7 else "new"
        else:
            status = "shipped" if age < delay + 4 else "returned" if luck < 0.07 else "delivered"
        settled = {"delivered": delay + 3, "returned": delay + 12}.get(status)
        updated = f"{date + dt.timedelta(days=min(settled, age))} {_time(chance)}" if settled else shipped or ordered
        payment = _PAYMENTS[int(chance() * len(_PAYMENTS))]
        note = NOTES[int(chance() * len(NOTES))] if chance() < 0.03 else None
        money = (shipping, discount, goods + shipping - discount)
        return (self._orders, customer, ordered, status, payment, *money, code, note, shipped, updated)


def _time(chance: Callable[[], float]) -> str:
    return f"{_HOURS[int(chance() * len(_HOURS))]:02}:{int(chance() * 60):02}:{int(chance() * 60):02}"


def _ascii(name: str) -> str:
    """The part of an e-mail address that a name becomes."""
    decomposed = unicodedata.normalize("NFKD", name.translate(_NOT_DECOMPOSED).casefold())
    return "".join(character for character in decomposed if character.isascii() and character.isalnum())
