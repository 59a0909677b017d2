"""How mail programs introduce what they quote, in the languages they speak.

Knows the lines that stand before a quotation ("On … wrote:"), the header blocks and rules that
Outlook and others put over one, the marks of forwarded mail, and the signatures of telephones.
Gathered from the output of mail programs, not from any standard.  Every question is asked of one
short line (or a few joined ones) and costs time linear in its length.
"""
# ruff: noqa: RUF001

from __future__ import annotations

import re

MAX_LINE = 400
"""Characters of a line that are looked at; attributions are shorter."""
MAX_LINES = 4
"""Lines an attribution may be wrapped to."""

_EMAIL = re.compile(r"[^\s<>@\"(]{1,64}@[^\s<>@\")]{1,250}|<mailto:|\w at \w[\w.-]{0,60}\.\w")
_DATE = re.compile(
    r"\d{4}[-./年]|\d{1,2}[-./]\d{1,2}[-./]\d{2}|\d{1,2}[.,]? ?\D{3,12}\d{4}|\D{3,12}\d{1,2}[,.]? \d{4}|\d{4}년"
)
_TIME = re.compile(r"\d{1,2} ?[:.h時시点] ?\d\d")
_COLONS = frozenset(":\uff1a")
_ENDS = frozenset(":\uff1a>")
_RULED = frozenset("-_=*\u2013\u2014")
_BOLD = "*_ \t\u00a0\u200b\ufeff"

# Words that begin an attribution; a date may begin it as well.
_OPENER = re.compile(
    r"(?:on|at|in|am|vom|le|el|em|il|op|den|dne|dňa|dana|dnia|w dniu|på|pada|la|în|vào|ngày|στις|"
    r"az|kl|data|quoting|zitat von|citando|selon|em|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|"
    r"mié|jue|vie|sáb|dom|seg|ter|qua|qui|sex|gio|sab|man|tir|ons|tor|fre|lør|søn|"
    r"pon|wt|śr|czw|pt|sob|niedz|po|út|st|čt|pá|пн|вт|ср|чт|пт|сб|вс|ma|ti|ke|to|pe|la|su)"
    r"[a-zäöüéèàìíóúçśńłěšůýřžčťďň]{0,12}[.,]?|"
    r"\d{1,4}[-./ ,年년]|[\u201c\"*<\[])",
    re.IGNORECASE,
)
# The verb, anywhere before the final colon.
_VERB = re.compile(
    r"(?<!\w)(?:"
    r"wrote|writes|said|quoting|zitat von|citando|"
    r"schrieb|schreibt|geschrieben|"
    r"a écrit|écrivait|écrit|a ecrit|"
    r"escribió|escribio|escribiste|"
    r"escreveu|"
    r"ha scritto|scrive|scriveva|"
    r"schreef|geschreven|heeft geschreven|"
    r"skrev|skriver|"
    r"kirjoitti|"
    r"napsal(?:a|\(a\))?|napísal(?:a|\(a\))?|"
    r"napisał(?:a|\(a\))?|pisze|napisal(?:a|\(a\))?|"
    r"пишет|писал(?:а|\(а\))?|написал(?:а|\(а\))?|пише|написав(?:ла)?|написа|"
    r"yazdı|şunu yazdı|şunları yazdı|yazmış|"
    r"ezt írta|írta|"
    r"a scris|έγραψε|"
    r"đã viết|menulis|napisa(?:o|la)(?: je)?|je napisa(?:o|la)|"
    r"a mbl|rašė|rakstīja|kirjutas"
    r")(?!\w)"
    r"|写道|写到|寫道|寫到|さんは書きました|のメール|は書きました|님이 (?:작성|씀)|작성:|כתב|كتب|เขียน",
    re.IGNORECASE,
)
_VERBLESS = re.compile(
    r"\d{4}[-/年].{0,80}<[^<>\s]{3,320}>\s*[:\uff1a]\s*$|\d{4}년.{0,80}<[^<>\s]{3,320}>"
)


def may_begin(line: str) -> bool:
    """Whether an attribution could begin on this line; cheap, wrong only by saying yes."""
    return _OPENER.match(line.lstrip(_BOLD)) is not None


def may_end(line: str) -> bool:
    """Whether an attribution could end with this line."""
    return line.rstrip(_BOLD)[-1:] in _ENDS


def is_attribution(text: str) -> bool:
    """Whether ``text`` (one line, or several joined by spaces) can stand before quoted lines.

    It ends in a colon and has the verb, and a name's address, a date or few words beside it.
    """
    if len(text) > MAX_LINE:
        return False
    bare = text.strip(_BOLD)
    colon = bare.endswith((":", "\uff1a"))
    if not colon and not bare.endswith(">"):
        return False
    addressed = _EMAIL.search(bare) is not None
    if colon and _VERB.search(bare):
        return addressed or len(bare.split()) <= 7 or any(c.isdigit() for c in bare)
    if _VERBLESS.search(bare):
        return True
    return (
        colon and addressed and (_DATE.search(bare) is not None or _TIME.search(bare) is not None)
    )


def is_sure_attribution(text: str) -> bool:
    """Whether ``text`` is an attribution even when nothing after it is marked as quoted.

    It names a day, and a time or an address, and begins as attributions do.
    """
    if not is_attribution(text) or not may_begin(text):
        return False
    dated = _DATE.search(text) is not None
    return dated and (_EMAIL.search(text) is not None or _TIME.search(text) is not None)


# Rules and header blocks

_ORIGINAL = re.compile(
    r"[-_=*\u2013\u2014\s]{2,}(?:"
    r"original(?: e-?mail)? message|original e-?mail|original appointment|reply message|"
    r"reply separator|message d['\u2019]origine|message original|message initial|"
    r"ursprüngliche nachricht|original-?nachricht|ursprungliche nachricht|"
    r"mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|"
    r"ursprungligt meddelande|originalmeddelande|originalmeddelelse|oprindelig meddelelse|"
    r"opprinnelig melding|alkuperäinen viesti|wiadomość oryginalna|oryginalna wiadomość|"
    r"původní zpráva|pôvodná správa|исходное сообщение|оригинальное сообщение|"
    r"orijinal mesaj|orjinal mesaj|özgün ileti|eredeti üzenet|mesaj original|"
    r"αρχικό μήνυμα|元のメッセージ|オリジナルメッセージ|original message|"
    r"原始邮件|原始郵件|邮件原件|原邮件|원본 메시지|원본 메일"
    r")[-_=*\u2013\u2014\s:]{2,}|[-_=]{2,}\s*original message\s*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"[-_=*\u2013\u2014\s]{2,}(?:"
    r"forwarded (?:message|by|mail|e-?mail)|begin forwarded message|"
    r"weitergeleitete (?:nachricht|e-?mail)|message (?:transféré|transmis|réexpédié)|"
    r"mensaje reenviado|mensagem (?:encaminhada|reencaminhada)|messaggio inoltrato|"
    r"doorgestuurd bericht|vidarebefordrat meddelande|videresendt (?:meddelelse|melding)|"
    r"välitetty viesti|edelleenlähetetty viesti|przekazana wiadomość|treść przekazanej|"
    r"přeposlaná zpráva|пересылаемое сообщение|пересланное сообщение|iletilen (?:mesaj|ileti)|"
    r"转发的邮件|转发邮件|轉寄|転送(?:された)?メッセージ|forwarded message|전달된 메(?:시지|일)"
    r")|(?:begin forwarded message|anfang der weitergeleiteten (?:nachricht|e-mail)|"
    r"début du message (?:réexpédié|transféré)|inicio del mensaje reenviado|"
    r"inizio messaggio inoltrato|begin doorgestuurd bericht|vidarebefordrat brev|"
    r"início da mensagem (?:re)?encaminhada|start på videresendt (?:besked|melding)|"
    r"начало переадресованного сообщения|転送されたメッセージ|下面是被转发的邮件)\s*[:\uff1a]",
    re.IGNORECASE,
)

_FIELDS = {
    "from": "from von de da van från fra lähettäjä od od: от от: від 差出人 送信者 发件人 寄件者 寄件人"
    " 보낸_사람 보낸사람 kimden gönderen feladó de_la expéditeur mittente remitente afzender avsändare"
    " nadawca odesílatel отправитель από מאת",
    "date": "sent date gesendet datum envoyé envoyé_le enviado enviado_el enviado_em fecha data inviato"
    " inviato_il verzonden skickat sendt dato lähetetty päivämäärä pvm päiväys wysłano wysłane odesláno"
    " dátum дата отправлено надіслано 送信日時 日付 日時 发送时间 发送日期 日期 寄件日期 傳送時間 时间"
    " 보낸_날짜 날짜 gönderildi gönderme_tarihi tarih elküldve trimis sent_on date_sent data_invio",
    "to": "to an à a para aan till til vastaanottaja do komu кому 宛先 收件人 收件者 받는_사람 받는사람"
    " kime címzett către destinataire destinatario destinatário προς",
    "cc": "cc kopie kopia kopi kopio копия 抄送 참조 bilgi másolat copie copia в_копии",
    "subject": "subject betreff objet asunto assunto oggetto onderwerp ämne emne aihe temat předmět"
    " predmet тема 件名 主题 主旨 主題 제목 konu tárgy subiect θέμα",
}
_FIELD_KINDS = {
    word.replace("_", " "): kind for kind, words in _FIELDS.items() for word in words.split()
}
_FIELD = re.compile(
    r"[\s*_|>]{0,6}([^\s:\uff1a*][^:\uff1a]{0,24}?)[\s*_\u00a0]{0,3}[:\uff1a][\s*_]{0,3}"
)


_RAW_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,40}: ")


def is_original_rule(line: str) -> bool:
    """Whether the line is "-----Original Message-----" in some language."""
    bare = line.strip()
    return bare[:1] in _RULED and len(bare) < MAX_LINE and _ORIGINAL.match(bare) is not None


def is_forward_rule(line: str) -> bool:
    """Whether the line begins a forwarded message."""
    bare = line.strip()
    if bare[:1] not in _RULED and bare[-1:] not in _COLONS:
        return False
    return len(bare) < MAX_LINE and _FORWARDED.match(bare) is not None


def field_kind(line: str) -> str | None:
    """Which header field of a quoted message the line shows: from, date, to, cc, subject."""
    start = line[:80]
    if ":" not in start and "\uff1a" not in start:
        return None
    found = _FIELD.match(start)
    return _FIELD_KINDS.get(found[1].lower().strip()) if found else None


def header_block(lines: list[str], at: int) -> int:
    """Lines that the header block beginning at ``at`` takes, or 0 when none begins there.

    A block begins with From, not in the middle of a whole header that somebody shows, and has
    two more of date, To and Subject within nine lines; as timetables have From, To and Date too,
    it must show Subject or an address.
    """
    if field_kind(lines[at]) != "from" or (at and _RAW_FIELD.match(lines[at - 1])):
        return 0
    kinds = {"from"}
    addressed = "@" in lines[at]
    end = at + 1
    blanks = 0
    for index in range(at + 1, min(at + 10, len(lines))):
        line = lines[index]
        if not line.strip():
            blanks += 1
            if blanks > 1 and len(kinds) > 2:
                break
            continue
        kind = field_kind(line)
        if kind is None or (kind in kinds and kind != "cc"):
            if len(kinds) > 3 or index - end > 2:
                break
            continue
        kinds.add(kind)
        end = index + 1
    found = len(kinds & {"date", "to", "subject"}) >= 2 and ("subject" in kinds or addressed)
    return end - at if found else 0


# Signatures

_DEVICE = re.compile(
    r"(?:"
    r"sent (?:from|via|with|using|by) (?:my |the )?(?:i?phone|ipad|ipod|android|mobile|samsung|galaxy|"
    r"blackberry|outlook|yahoo|mail|windows|htc|nokia|huawei|xiaomi|sony|pixel|proton|spark|"
    r"superhuman|gmail|aol|bluemail|k-9|fairmail|mailbird|nine|rogers|verizon|at&t|t-mobile|"
    r"a mobile|handheld|phone|tablet|smartphone|palm|treo|newton)"
    r"|get outlook for|get bluemail for|download (?:the )?outlook"
    r"|(?:von|auf) mein(?:em|er|en) .{1,40} gesendet|gesendet (?:von|mit|aus|über) "
    r"|diese nachricht wurde von mein|holen sie sich outlook|outlook für (?:ios|android)"
    r"|envoyé (?:de|depuis|à partir de|avec) |obtenez outlook|télécharger outlook"
    r"|enviado (?:desde|do|a partir do|pelo|por|de) |obtener outlook|obter o outlook"
    r"|inviato (?:da|dal|con) |scarica outlook|ottieni outlook"
    r"|verzonden (?:vanaf|met|vanuit|via) |verstuurd vanaf|outlook voor (?:ios|android)"
    r"|skickat från|skickades från|hämta outlook|hanki outlook|lähetetty .{1,40}(?:sta|stä|ni)\b"
    r"|sendt fra |hent outlook|få outlook|send(?:t)? (?:fra|med) min"
    r"|wysłane z |pobierz outlook|odesláno z |odoslané z |získejte outlook"
    r"|отправлено (?:с|из|от) |надіслано з |скачать outlook"
    r"|i?phone(?:'|\u2019)?(?:umdan|dan|imden) gönderildi|.{1,30} gönderildi$"
    r"|iphone ?から送信|ipad ?から送信|.{1,20}から送信|"
    r"发自我的|從我的 ?\w{1,12}傳送|来自我的|發自我的|从我的 ?\w{1,12}发送"
    r"|나의 ?(?:iphone|ipad)에서 보냄|.{1,20}에서 보냄"
    r"|trimis de pe|elküldve:? .{0,4}i?phone|στάλθηκε από"
    r")",
    re.IGNORECASE,
)
_FOOTER_STARTS = frozenset("_-~=yY")
_LIST_FOOTER = re.compile(
    r"mailing list|to unsubscribe|unsubscribe from this|listinfo|you received this message because",
    re.IGNORECASE,
)


def is_device_signature(line: str) -> bool:
    """Whether the line is what a telephone or web mail adds by itself."""
    bare = line.strip(_BOLD + "-\u2013\u2014")
    return len(bare) <= 120 and _DEVICE.match(bare) is not None


def is_list_footer(lines: list[str], at: int) -> bool:
    """Whether the line at ``at`` is the rule over a mailing list's footer."""
    rule = lines[at].strip()
    if rule[:1] not in _FOOTER_STARTS:
        return False
    if len(rule) < 10 or rule.strip("_-~=") != "":
        return rule.lower().startswith("you received this message because you are subscribed")
    return any(_LIST_FOOTER.search(line[:MAX_LINE]) for line in lines[at + 1 : at + 4])
