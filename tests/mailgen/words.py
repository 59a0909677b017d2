"""People, subjects and sentences in several languages, with the charsets their mail comes in."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Tongue:
    """One language as its mail looks: charsets, names, words, how a reply is introduced."""

    code: str
    charsets: tuple[str, ...]
    names: tuple[str, ...]
    line: str
    attribution: str
    greeting: str
    sent_from: str
    spaced: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """The words of ``line``."""
        return tuple(self.line.split())


TONGUES = (
    Tongue(
        "en",
        ("us-ascii", "utf-8"),
        ("Alice Example", "Bob O'Neil", "Carol van Dyke", "Dr. Dan Brown, PhD"),
        (
            "the meeting report shipment invoice please confirm before Friday we have attached "
            "numbers for review and would like your answer on order delay because of customs "
            "thanks again for looking into it"
        ),
        "On {date}, {name} <{email}> wrote:",
        "Hello {name},",
        "Sent from my iPhone",
    ),
    Tongue(
        "de",
        ("utf-8", "iso-8859-1", "iso-8859-15", "windows-1252"),
        ("Jürgen Müller", "Käthe Groß", "Björn Weiß"),
        (
            "die Besprechung für morgen wurde verschoben bitte bestätigen Sie über das Büro "
            "Rechnung Größe Anhang Grüße wir können natürlich später äußern"
        ),
        "Am {date} schrieb {name} <{email}>:",
        "Hallo {name},",
        "Von meinem iPhone gesendet",
    ),
    Tongue(
        "fr",
        ("utf-8", "iso-8859-1", "windows-1252"),
        ("Élodie Lefèvre", "François Benoît", "Zoé Garçon"),
        (
            "la réunion est reportée merci de vérifier les chiffres à côté de l'été où nous "
            "avons reçu votre réponse très détaillée déjà"
        ),
        "Le {date}, {name} <{email}> a écrit :",
        "Bonjour {name},",
        "Envoyé de mon iPhone",
    ),
    Tongue(
        "es",
        ("utf-8", "iso-8859-1"),
        ("José Núñez", "María Peña", "Íñigo Sáenz"),
        (
            "la reunión será mañana según el informe añadido por favor confirme después de "
            "la revisión del envío número dieciséis"
        ),
        "El {date}, {name} <{email}> escribió:",
        "Hola {name}:",
        "Enviado desde mi iPhone",
    ),
    Tongue(
        "pl",
        ("utf-8", "iso-8859-2", "windows-1250"),
        ("Łukasz Żółć", "Grażyna Wójcik"),
        (
            "spotkanie zostało przełożone proszę potwierdzić załącznik w związku z dostawą "
            "bardzo dziękuję później również źródło"
        ),
        "{date}, {name} <{email}> napisał(a):",
        "Cześć {name},",
        "Wysłane z iPhone'a",
    ),
    Tongue(
        "ru",
        ("utf-8", "koi8-r", "windows-1251", "iso-8859-5"),
        ("Иван Петров", "Ольга Сергеева"),
        (
            "встреча перенесена на завтра пожалуйста подтвердите получение счёта мы "
            "отправили документы вчера вечером спасибо"
        ),
        "{date}, {name} <{email}> пишет:",
        "Здравствуйте, {name}!",
        "Отправлено с iPhone",
    ),
    Tongue(
        "el",
        ("utf-8", "iso-8859-7"),
        ("Γιώργος Παπαδόπουλος",),
        "η συνάντηση αναβλήθηκε παρακαλώ επιβεβαιώστε την αποστολή ευχαριστώ",
        "Στις {date}, {name} <{email}> έγραψε:",
        "Γεια σας {name},",
        "Στάλθηκε από το iPhone μου",
    ),
    Tongue(
        "ja",
        ("iso-2022-jp", "utf-8", "shift_jis", "euc-jp"),
        ("山田 太郎", "佐藤花子"),
        "会議は 明日に 延期されました 添付の 資料を ご確認 ください ありがとう ございます",
        "{date} {name} <{email}>:",
        "{name} 様",
        "iPhoneから送信",
        spaced=False,
    ),
    Tongue(
        "zh",
        ("utf-8", "gb2312", "gb18030", "big5"),
        ("王小明", "李大文"),
        "今天 我 收到 你的 信 一同 上 山 看 大 海 明天 再 回 中文",
        "{name} <{email}> 于{date}写道:",
        "{name}:",
        "iPhone",
        spaced=False,
    ),
    Tongue(
        "ko",
        ("utf-8", "euc-kr", "iso-2022-kr"),
        ("김철수", "이영희"),
        "회의가 내일로 연기되었습니다 첨부 파일을 확인해 주십시오 감사합니다",
        "{date}, {name} <{email}>님이 작성:",
        "{name}님께,",
        "나의 iPhone에서 보냄",
    ),
)

DOMAINS = ("example.com", "example.org", "mail.example.net", "lists.example.org", "shop.example")


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, in which language and charset."""

    tongue: Tongue
    charset: str
    name: str
    email: str

    def can_write(self, text: str) -> bool:
        """Whether the charset holds every character of ``text``."""
        try:
            text.encode(self.charset)
        except UnicodeEncodeError:
            return False
        return True


def writer(random: Random) -> Writer:
    """Someone with a charset that can hold everything of the language."""
    tongue = random.choice(TONGUES)
    name = random.choice(tongue.names)
    local = f"{random.choice('abcdefgh')}.{tongue.code}{random.randrange(1000)}"
    email = f"{local}@{random.choice(DOMAINS)}"
    everything = " ".join((*tongue.names, *tongue.words, tongue.attribution, tongue.sent_from))
    usable = [c for c in tongue.charsets if Writer(tongue, c, name, email).can_write(everything)]
    return Writer(tongue, random.choice(usable or ["utf-8"]), name, email)


def sentence(random: Random, tongue: Tongue, words: int = 12) -> str:
    """So many words of the language, in no meaningful order."""
    chosen = random.choices(tongue.words, k=words)
    text = (" " if tongue.spaced else "").join(chosen)
    return (
        text[0].upper()
        + text[1:]
        + ("." if tongue.spaced else "\u3002" if tongue.code == "ja" else "")
    )


def paragraphs(random: Random, tongue: Tongue, count: int) -> list[str]:
    """Lines of text, an empty one after each paragraph."""
    lines: list[str] = []
    for _ in range(count):
        lines += [
            sentence(random, tongue, random.randint(4, 11)) for _ in range(random.randint(1, 4))
        ]
        lines.append("")
    return lines
