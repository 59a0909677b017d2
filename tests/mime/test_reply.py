"""New text of answers: mail programs of many languages, cautions, and hostile input."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.reply import extracted_text
from tests.mailgen.words import TONGUES

QUOTE = "> Where is it?\n>\n> Yours\n"

ATTRIBUTIONS = [
    "On Mon, Apr 2, 2012 at 6:26 PM, Megan One <xxx@gmail.com> wrote:",
    "On Apr 3, 2012, at 4:19 PM, bob wrote:",
    "On 04/02/2012 06:26 PM, Megan One wrote:",
    "On Tue, 17 Nov 2009 13:15:25 -0800, Keith Packard\n<keithp at keithp.com> wrote:",
    'On Fri, 7 Feb 2003 18:35:25 +0200\n"mmihai" <mmihai@example.ro> wrote:',
    "Suresh <s@example.org> wrote:",
    "Quoting Alice <a@example.org>:",
    "Am 03.05.24 um 10:17 schrieb Alice Müller:",
    "Am Fr., 3. Mai 2024 um 10:17 Uhr schrieb Alice <a@example.org>:",
    "Alice schrieb am 17.03.2021 14:25 (GMT +01:00):",
    "Le ven. 3 mai 2024 à 10:17, Alice <a@example.org> a écrit :",
    "Le 03/05/2024 à 10:17, Alice a écrit\u00a0:",
    "El vie, 3 may 2024 a las 10:17, Alice (<a@example.org>) escribió:",
    "El 3/5/24 a las 10:17, Alice escribió:",
    "Em sex., 3 de mai. de 2024 às 10:17, Alice <a@example.org> escreveu:",
    "Il giorno ven 3 mag 2024 alle ore 10:17 Alice <a@example.org> ha scritto:",
    "Il 03/05/24 10:17, Alice ha scritto:",
    "Op vr 3 mei 2024 om 10:17 schreef Alice <a@example.org>:",
    "Den fre 3 maj 2024 kl 10:17 skrev Alice <a@example.org>:",
    "Den fre. 3. maj 2024 kl. 10.17 skrev Alice <a@example.org>:",
    "3. mai 2024 kl. 10:17 skrev Alice <a@example.org>:",
    "pe 3. toukok. 2024 klo 10.17 Alice (a@example.org) kirjoitti:",
    "pt., 3 maj 2024 o 10:17 Alice <a@example.org> napisał(a):",
    "W dniu 3.05.2024 o 10:17, Alice pisze:",
    "pá 3. 5. 2024 v 10:17 odesílatel Alice <a@example.org> napsal:",
    "Dne 03. 05. 24 v 10:17 Alice napsal(a):",
    "пт, 3 мая 2024 г. в 10:17, Alice <a@example.org>:",
    "03.05.2024 10:17, Alice пишет:",
    '02.04.2012 14:20 пользователь "bob@example.org" <\nbob@example.org> написал:',
    "2024年5月3日(金) 10:17 山田 <a@example.org>:",
    "2024/05/03 10:17、山田 <a@example.org>のメール:",
    "王小明 <a@example.org> 于2024年5月3日周五 10:17写道：",
    "2024년 5월 3일 (금) 오전 10:17, 김철수 <a@example.org>님이 작성:",
    "Alice <a@example.org>, 3 May 2024 Cum, 10:17 tarihinde şunu yazdı:",
    "Alice <a@example.org> ezt írta (időpont: 2024. máj. 3., P, 10:17):",
    "Pe vin., 3 mai 2024 la 10:17, Alice <a@example.org> a scris:",
    "Στις Παρ 3 Μαΐ 2024 στις 10:17 π.μ., ο χρήστης Alice <a@example.org> έγραψε:",
    "Twas brillig at 14:00:54 17.11.2009 UTC-05 when lars at example.org did gyre and gimble:",
    "Twas brillig at 14:00:54 17.11.2009 UTC-05 when lars@example.org did gyre and gimble:",
]

BLOCKS = [
    "-----Original Message-----\nFrom: Alice\nSent: Friday\nTo: Bob\nSubject: it\n",
    '----- Original Message -----\nFrom: "Alice" <a@example.org>\nTo: <b@example.org>\nSent: Friday\nSubject: it\n',
    "________________________________\nFrom: Alice <a@example.org>\nSent: Friday, May 3, 2024 10:17\nTo: Bob <b@example.org>\nSubject: it\n",
    "From: Alice <a@example.org>\nDate: Friday, 3 May 2024 at 10:17\nTo: Bob <b@example.org>\nSubject: it\n",
    "*From:* Alice <a@example.org>\n*Sent:* Friday\n*To:* Bob\n*Cc:* Carol\n*Subject:* it\n",
    "Von: Alice <a@example.org>\nGesendet: Freitag, 3. Mai 2024 10:17\nAn: Bob\nBetreff: es\n",
    "-----Ursprüngliche Nachricht-----\nVon: Alice\nGesendet: Freitag\nAn: Bob\nBetreff: es\n",
    "-----Message d'origine-----\nDe : Alice [mailto:a@example.org]\nEnvoyé : vendredi 3 mai 2024 10:17\nÀ : Bob\nObjet : cela\n",
    "De: Alice <a@example.org>\nEnviado el: viernes, 3 de mayo de 2024 10:17\nPara: Bob\nAsunto: eso\n",
    "De: Alice <a@example.org>\nEnviado: sexta-feira\nPara: Bob\nAssunto: isso\n",
    "Da: Alice [mailto:a@example.org]\nInviato: venerdì 3 maggio 2024 10:17\nA: Bob\nOggetto: quello\n",
    "Van: Alice <a@example.org>\nVerzonden: vrijdag 3 mei 2024 10:17\nAan: Bob\nOnderwerp: het\n",
    "Från: Alice <a@example.org>\nSkickat: den 3 maj 2024 10:17\nTill: Bob\nÄmne: det\n",
    "Fra: Alice <a@example.org>\nSendt: 3. maj 2024 10:17\nTil: Bob\nEmne: det\n",
    "Lähettäjä: Alice <a@example.org>\nLähetetty: perjantai\nVastaanottaja: Bob\nAihe: se\n",
    "From: Alice <a@example.org>\nWysłano: piątek\nDo: Bob\nTemat: to\n",
    "Od: Alice <a@example.org>\nOdesláno: pátek\nKomu: Bob\nPředmět: to\n",
    "От: Alice <a@example.org>\nОтправлено: пятница\nКому: Bob\nТема: это\n",
    "差出人: Alice <a@example.org>\n送信日時: 2024年5月3日\n宛先: Bob\n件名: それ\n",
    "发件人: Alice <a@example.org>\n发送时间: 2024年5月3日\n收件人: Bob\n主题: 它\n",
    "보낸 사람: Alice <a@example.org>\n보낸 날짜: 2024년 5월 3일\n받는 사람: Bob\n제목: 그것\n",
    "Kimden: Alice <a@example.org>\nGönderildi: Cuma\nKime: Bob\nKonu: bu\n",
]

DEVICES = [
    "Sent from my iPhone", "Sent from my Samsung Galaxy smartphone.", "Get Outlook for iOS<https://aka.ms/x>",
    "Von meinem iPhone gesendet", "Gesendet mit der GMX iPhone App", "Envoyé de mon iPhone",
    "Enviado desde mi iPhone", "Enviado do meu iPhone", "Inviato da iPhone", "Verstuurd vanaf mijn iPhone",
    "Skickat från min iPhone", "Sendt fra min iPhone", "Lähetetty iPhonesta", "Wysłane z iPhone'a",
    "Odesláno z iPhonu", "Отправлено с iPhone", "iPhoneから送信", "发自我的 iPhone", "나의 iPhone에서 보냄",
    "iPhone'umdan gönderildi",
]  # fmt: skip


@pytest.mark.parametrize("line", ATTRIBUTIONS)
def test_answers_above_and_below_lose_the_quotation_and_its_introduction(line: str) -> None:
    assert extracted_text(f"It is there.\n\nBye\n\n{line}\n{QUOTE}") == "It is there.\n\nBye"
    assert extracted_text(f"{line}\n\n{QUOTE}\nIt is there.\n") == "It is there."


@pytest.mark.parametrize("tongue", TONGUES, ids=lambda tongue: tongue.code)
def test_the_generator_s_attributions_are_known(tongue) -> None:  # type: ignore[no-untyped-def]
    line = tongue.attribution.format(date="2024-05-03 10:17", name=tongue.names[0], email="a@x.org")
    assert extracted_text(f"new\n\n{line}\n{QUOTE}") == "new"


@pytest.mark.parametrize("block", BLOCKS)
def test_unmarked_quotations_end_the_answer(block: str) -> None:
    assert extracted_text(f"It is there.\n\n{block}\nWhere is it?\n\nYours\n") == "It is there."


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_over_marked_lines_takes_only_those(block: str) -> None:
    assert extracted_text(f"above\n\n{block}\n{QUOTE}\nbelow\n") == "above\n\nbelow"


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_with_nothing_above_is_a_forward_and_stays(block: str) -> None:
    assert "Where is it?" in extracted_text(f"\n\n{block}\nWhere is it?\n")


@pytest.mark.parametrize("line", DEVICES)
def test_what_telephones_add_is_left_out(line: str) -> None:
    assert extracted_text(f"Yes\n\n{line}\n") == "Yes"
    assert extracted_text(f"Yes\n\n{line}\n\n{ATTRIBUTIONS[0]}\n{QUOTE}") == "Yes"


@pytest.mark.parametrize(
    "line",
    [
        "---------- Forwarded message ---------",
        "-------- Weitergeleitete Nachricht --------",
        "Begin forwarded message:",
        "Anfang der weitergeleiteten Nachricht:",
        "---------- Message transféré ---------",
    ],
)
def test_what_is_forwarded_is_new(line: str) -> None:
    text = f"FYI\n\n{line}\nFrom: Alice <a@x.org>\nTo: B\nSubject: s\n\nbody\n> old"
    assert extracted_text(text) == text


def test_answers_between_the_quoted_lines_stay() -> None:
    text = f"{ATTRIBUTIONS[0]}\n> one?\nYes.\n\n> two?\n\nNo.\n> three?\n\n-- \nBob\n"
    assert extracted_text(text) == "Yes.\n\nNo."


def test_a_bottom_posted_answer_after_a_long_quotation_stays() -> None:
    assert extracted_text("Bob wrote:\n" + "> line\n" * 500 + "\nanswer") == "answer"


def test_a_wrapped_quoted_line_is_recognised_and_a_short_answer_is_not_taken_for_one() -> None:
    long = "> train-load of VHP activists at Godhra (with its most awful, atavistic"
    assert extracted_text(f"New.\n\n{long}\nechoes\n> of it\n") == "New."
    assert extracted_text(f"{long} echoes?\nyes\n> and more\nno\n") == "yes\nno"


def test_signatures_end_at_the_quotation() -> None:
    text = f"top\n-- \nBob\nACME\n\n{ATTRIBUTIONS[0]}\n{QUOTE}\nbottom\n--\nBob\n"
    assert extracted_text(text) == "top\n\nbottom"


def test_a_signature_that_is_everything_is_kept() -> None:
    assert extracted_text("-- \nthe whole mail\n") == "--\nthe whole mail".replace("--", "-- ")


def test_two_dashes_above_much_text_are_no_signature() -> None:
    text = "intro\n--\n" + "\n".join(f"paragraph {n}" for n in range(20))
    assert extracted_text(text) == text


def test_list_footers_are_left_out() -> None:
    footer = "_" * 47 + "\ndev mailing list\ndev@lists.example.org\n"
    assert extracted_text(f"hello\n{footer}") == "hello"


def test_a_rule_over_a_long_newsletter_is_no_footer() -> None:
    text = "News\n" + "-" * 30 + "\nTo unsubscribe see below.\n" + "item\n" * 40
    assert extracted_text(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "Just a mail.\n\nWith two paragraphs: one, two.",
        "I have a question about this:\n\nhow?",
        "As I wrote on 3 May 2024:\nplease answer.",
        "From: Paris\nTo: London\nDate: 5 May\n\nPlease book it.",
        "Dear all,\n\nFrom: now on we meet at 10:30.\nBest",
        ">From the start it was clear.",
        "Sent from my heart, this is a long sentence that goes on and on about love and other things we share in life.",
        "On Monday I wrote to Bob:\n\nhe did not answer.",
        "a --\nb",
        "if x > 3:\n    print('>')",
        "A header:\nTo: b@x.org\nFrom: a@x.org\nDate: 5 May\nSubject: s\n\nwas shown.",
        "Note:\n| a | b |\n| 1 | 2 |",
        "\u00a1Hola!\n\n\u00bfQu\u00e9 tal?",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert extracted_text(text) == text


def test_nothing_new_is_nothing() -> None:
    assert extracted_text(f"{ATTRIBUTIONS[0]}\n{QUOTE}") == ""
    assert extracted_text("") == ""
    assert extracted_text(" \r\n\t\n") == ""


def test_line_ends_do_not_matter() -> None:
    text = f"new\n\n{ATTRIBUTIONS[3]}\n{QUOTE}\nlast"
    expected = "new\n\nlast"
    assert {extracted_text(text.replace("\n", end)) for end in ("\n", "\r\n", "\r")} == {expected}


WORDS = st.sampled_from(["yes", "no", "maybe", "ok then", "see you", "on friday"])


@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(WORDS, max_size=6), st.booleans())
def test_new_lines_survive_any_arrangement_of_quotations(
    new: list[str], old: list[str], above: bool
) -> None:
    quotation = [ATTRIBUTIONS[0], *(f"> {line}" for line in old)] if old else []
    lines = [*new, "", *quotation] if above else [*quotation, "", *new]
    assert extracted_text("\n".join(lines)) == "\n".join(new)


@given(st.text(st.sampled_from(list("> -_:\nOnwrote1/@<x")), max_size=200))
def test_text_that_nothing_quotes_is_never_lost_entirely(text: str) -> None:
    if text.strip(" \n") and not any(">" in line or "|" in line for line in text.split("\n")):
        assert extracted_text(text)


LOOK_ALIKES = [
    ">", "> \n", "On Mon, 1 Jan 2024 at 10:10, x wrote\n", "On Mon wrote: ", "On x wrote:\n",
    "-----Original Message\n", "From: x@y\nTo: y\n", "--\n", "-- \nx\n", "a\n",
]  # fmt: skip
FRAGMENTS = [
    "On 1\n", "From: x\n", "-", ":\n", "Sent from my iPhone\n", "__________\n", " ", "\n", "|\n",
    "On 1 wrote:\n| x\n", "----- Forwarded\n", "--\n" + "x\n" * 14, "Sent from my iPhone\n" + "x\n" * 14,
    "11.11.11 ", "<a@b>\n", "On <a@b>\n", "On Mon, 1 Jan 2024,\n", "a\n>\n", "\u00a0\n", "\u00a0",
]  # fmt: skip


def seconds(text: str) -> float:
    begin = time.process_time()
    extracted_text(text)
    return time.process_time() - begin


@pytest.mark.slow
@pytest.mark.parametrize("piece", LOOK_ALIKES)
def test_a_megabyte_of_look_alikes_takes_linear_time(piece: str) -> None:
    """Both public libraries take over 8 s on such input."""
    assert seconds(piece * (1_000_000 // len(piece))) < 6.0


@pytest.mark.parametrize("piece", FRAGMENTS)
def test_fragments_of_quotations_take_linear_time(piece: str) -> None:
    assert seconds(piece * (100_000 // len(piece))) < 3.0


CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "general"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("0403-talon-android.eml", "Hello"),
        ("0405-talon-apple_mail.eml", "Hello"),
        ("0407-talon-comcast.eml", "Hello"),
        ("0413-talon-thunderbird.eml", "Hello"),
    ],
)
def test_real_answers_of_the_corpus(name: str, new: str) -> None:
    import email

    message = email.message_from_bytes((CORPUS / name).read_bytes())
    (text, *_) = [p for p in message.walk() if p.get_content_type() == "text/plain"]
    octets = text.get_payload(decode=True)
    assert isinstance(octets, bytes)
    assert extracted_text(octets.decode(text.get_content_charset() or "utf-8")) == new
