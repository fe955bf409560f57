"""Words that the sample shop is made of: places, names, goods. A slash parts a name from its Latin spelling."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    code: str
    share: int  # of the customers, in percent
    cities: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


@dataclass(frozen=True)
class Category:
    name: str
    months: tuple[int, ...]  # when people look for it
    goods: tuple[tuple[str, int], ...]  # with what the plainest one costs, in euros


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase.strip() for phrase in text.split(","))


def _goods(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(price)) for name, _, price in (phrase.rpartition(" ") for phrase in _phrases(text)))


COUNTRIES = (
    Country(
        "DE",
        22,
        _phrases("Berlin, Hamburg, München, Köln, Leipzig, Düsseldorf, Nürnberg, Münster"),
        _words("Anna Lukas Jörg Sabine Günther Mia Felix Käthe Jonas Lena Björn Heike Moritz Ulrike Paul Zoë"),
        _words("Müller Schmidt Weiß Köhler Groß Bäcker Fischer Jäger Vogel Schröder Lang Böhm Krause Hübner Roth Faß"),
    ),
    Country(
        "FR",
        13,
        _phrases("Paris, Lyon, Marseille, Besançon, Orléans, Nîmes, Saint-Étienne"),
        _words("Chloé François Aurélie Théo Hélène Noël Camille Jérôme Maëlys René Inès Loïc"),
        _words("Lefèvre Dupré Moreau Gauthier Béranger Côté Lemaître Roux Fabre L'Hôte Garçon Mercier"),
    ),
    Country(
        "GB",
        13,
        _phrases("London, Leeds, Bristol, Glasgow, King's Lynn, Stratford-upon-Avon"),
        _words("Oliver Amelia Siân Callum Harriet George Isla Ewan Poppy Rhys Freya Alfie"),
        _words("Smith O'Brien Taylor Smith-Jones Clarke Walker MacLeod Hughes Wright Penrose Nkemelu Patel"),
    ),
    Country(
        "US",
        10,
        _phrases("New York, Portland, Austin, Coeur d'Alene, St. Louis, San José"),
        _words("Ava Mason Zoe Ethan Destiny Logan Harper Tyrone Madison Carlos Quinn DeShawn"),
        _words("Johnson Garcia Miller de-la-Cruz Nguyen Brown Washington Van-Buren Cooper Lee Rivera Kowalski"),
    ),
    Country(
        "ES",
        8,
        _phrases("Madrid, Barcelona, A Coruña, Logroño, Málaga, Cádiz"),
        _words("Lucía Íñigo María Álvaro Begoña José Núria Sofía Iván Mónica Andrés Ángel"),
        _words("García Muñoz Núñez Ibáñez López Peña Martínez Güell Vázquez Ordóñez Castaño Zubizarreta"),
    ),
    Country(
        "PL",
        7,
        _phrases("Warszawa, Kraków, Łódź, Gdańsk, Poznań, Białystok"),
        _words("Zofia Łukasz Małgorzata Michał Agnieszka Paweł Grażyna Stanisław Elżbieta Wojciech"),
        _words("Wiśniewska Kowalczyk Żuraw Dąbrowski Wójcik Źrebiec Szczepański Król Ślusarz Brzęczyszczykiewicz"),
    ),
    Country(
        "SE",
        6,
        _phrases("Stockholm, Göteborg, Malmö, Västerås, Örebro, Luleå"),
        _words("Åsa Björn Märta Lars Sölve Ingrid Håkan Elin Gösta Annika"),
        _words("Åkerlund Sjöberg Lindström Öberg Nyström Ekelöf Hägg Blomqvist Wallin Ström"),
    ),
    Country(
        "TR",
        4,
        _phrases("İstanbul, İzmir, Eskişehir, Muğla, Diyarbakır"),
        _words("Ayşe Çağla İbrahim Gökhan Şule Ömer Işıl Doğan Zeynep Uğur"),
        _words("Yılmaz Öztürk Çelik Şahin Işık Güneş Kılıç Aydın İnce Doğru"),
    ),
    Country(
        "GR",
        4,
        _phrases("Αθήνα, Θεσσαλονίκη, Πάτρα, Ηράκλειο"),
        _words("Ελένη/Eleni Γιώργος/Giorgos Μαρία/Maria Νίκος/Nikos Σοφία/Sofia Κώστας/Kostas"),
        _words("Παπαδόπουλος/Papadopoulos Οικονόμου/Oikonomou Βασιλείου/Vasileiou Αγγέλου/Angelou Ράπτης/Raptis"),
    ),
    Country(
        "UA",
        4,
        _phrases("Київ, Львів, Одеса, Харків"),
        _words("Олена/Olena Андрій/Andriy Їжакевич/Yizhakevych Ганна/Hanna Юрій/Yuriy Соломія/Solomiya"),
        _words("Шевченко/Shevchenko Ковальчук/Kovalchuk Мельник/Melnyk Грищенко/Hryshchenko Єременко/Yeremenko"),
    ),
    Country(
        "JP",
        5,
        _phrases("東京, 大阪, 京都, 札幌, 福岡"),
        _words("陽菜/Hina 翔太/Shota さくら/Sakura 健一/Kenichi 美咲/Misaki ユウキ/Yuki"),
        _words("佐藤/Sato 鈴木/Suzuki 高橋/Takahashi 渡邊/Watanabe 小林/Kobayashi 髙田/Takada"),
    ),
    Country(
        "IN",
        4,
        _phrases("मुंबई, दिल्ली, Bengaluru, Pune"),
        _words("आरव/Aarav प्रिया/Priya Rohan अनन्या/Ananya विक्रम/Vikram Diya"),
        _words("शर्मा/Sharma पटेल/Patel Iyer सिंह/Singh रेड्डी/Reddy Banerjee"),
    ),
)
CATEGORIES = (
    Category(
        "Kitchen", (11, 12), _goods("Mug 9, Teapot 29, Chef's Knife 49, Pan 28 cm 39, Cutting Board 19, Café Press 34")
    ),
    Category(
        "Garden",
        (4, 5, 6),
        _goods("Spade 24, Watering Can 18, Rose Trellis 59, Bird House 22, Hose 20 m 32, Planter 14"),
    ),
    Category(
        "Books", (12,), _goods("Atlas 49, Crème de la Crime 12, Cookbook 28, Field Guide 21, Short Stories 11, Diary 9")
    ),
    Category(
        "Toys", (11, 12), _goods("Marble Run 54, Puzzle 1000 15, Kite 25, Wooden Train 44, Dominoes 12, Plush Bär 19")
    ),
    Category(
        "Sport",
        (1, 5, 6),
        _goods("Yoga Mat 29, Rope 8, Dumbbell 5 kg 22, Swim Goggles 16, Football Nº 5 27, Racket 89"),
    ),
    Category(
        "Office",
        (1, 9),
        _goods('Notebook A5 7, Fountain Pen 38, Desk Pad 24, Ruler 12" 3, Stapler 11, Paper 80 g/m² 6'),
    ),
    Category(
        "Light", (10, 11, 12), _goods("Lantern 26, Bulb 60 W 5, Fairy Lights 13, Torch 18, Desk Lamp 64, Candle 4")
    ),
    Category("Bath", (), _goods("Towel 15, Soap 4, Bath Robe 55, Mirror Ø 40 cm 42, Brush 6, Shower Curtain 20")),
    Category(
        "Travel",
        (6, 7, 8),
        _goods("Backpack 79, Umbrella 24, Neck Pillow 17, Suitcase 139, Flask ½ l 21, Passport Case 12"),
    ),
    Category("Tools", (3, 4), _goods('Hammer 17, Drill 18 V 99, Screwdriver ¼" 8, Level 19, Saw 23, Tape Measure 7')),
)
QUALITIES = _phrases(
    "Classic, Oak, Blue, Light, Premium, Mini, Steel, Green, Travel, Soft, Large, Natural, Red, Nordic"
)
NOTES = _phrases(
    "Please ring twice, Gift 🎁 – no invoice, Leave with the neighbour, Bitte klingeln, Après 18 h, "
    'Call it "the usual", Fragile!'
)
