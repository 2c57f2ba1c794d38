"""The lines that mail programs and ticket systems draw between the new words and the mail below."""

import re

__all__ = ["is_forward_mark", "is_message_mark", "is_reply_above_mark", "is_rule"]

_RULE = re.compile(r"[-_=*~—–─]{3,}|(?:[-_=*—] ?){5,}")
_EDGED = re.compile(r"(?:[-_=*~—>]\s?){2,60}\s*(.{2,80}?)\s*:?\s*[-_=*~—<]{2,}")
_ORIGINAL = re.compile(
    r"original|ursprüngliche|ursprung|oprindelig|opprinnelig|alkuperäinen|oorspronkelijk|origineel|mensaje|mensagem|messaggio"
    r"|message d'origine|d.origine|wiadomość|исходное|первоначальное|оригинальное|původní|pôvodná|eredeti|orijinal|özgün|αρχικό"
    r"|原始邮件|原始郵件|邮件原件|原邮件|元のメッセージ|原文|오리지널|원본|thư gốc|asli|الأصلية|הודעה מקורית|antwort|nachricht|meddelande|besked|melding|viesti"
    r"|bericht|vastattu|reply message|odpowiedz|mesaj",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"forwarded|weitergeleitet|transféré|transmis|reenviad|encaminhad|inoltrat|doorgestuurd|przekazan|vidarebefordra|videresend|videresendt"
    r"|välitetty|edelleenlähetetty|перес(?:ылаем|лан)|переадрес|пересланн|iletilen|yönlendirilen|přeposlan|preposlan|továbbított|przesłan"
    r"|转发|轉寄|轉發|転送|전달|chuyển tiếp|diteruskan|dialihkan|المعاد توجيه|معاد توجيه|المُعاد|محولة|הועבר|redirecționat|προωθημέν|προώθηση",
    re.IGNORECASE,
)
_BEGIN_FORWARD = re.compile(
    r"(?:begin forwarded message|forwarded message|start of forwarded message|anfang der weitergeleiteten (?:nachricht|e-mail)"
    r"|début du (?:message|courriel|mail) (?:réexpédié|transféré)|inicio del mensaje reenviado|início da mensagem (?:reencaminhada|encaminhada)"
    r"|inizio messaggio inoltrato|begin doorgestuurd bericht|początek przekazywanej wiadomości|vidarebefordrat brev|startar vidarebefordrat"
    r"|start på videresendt besked|videresendt melding|välitetty viesti alkaa|начало переадресованного сообщения|начало пересылаемого сообщения|iletilen mesajın başlangıcı|iletilen ileti başlangıcı"
    r"|začátek přeposílané zprávy|začiatok preposlanej správy|továbbított levél kezdete|開始轉寄郵件|转发的邮件|開始転送|転送されたメッセージ|전달된 메시지"
    r"|بدء الرسالة المعاد توجيهها|תחילת ההודעה שהועברה|start vidarebefordrat brev)\s*[:：]?",
    re.IGNORECASE,
)
_REPLY_ABOVE = re.compile(
    r"(?:reply|respond|answer|write|type|replies)\b.{0,40}\b(?:above|over) (?:this|the) (?:line|text|email|message)"
    r"|add your reply above|reply above (?:to|this)|please do not (?:write|reply|type) below this line"
    r"|(?:oberhalb|über) dieser (?:linie|zeile)|au.dessus de cette ligne|encima de esta línea|acima desta linha|sopra questa (?:riga|linea)"
    r"|boven deze (?:regel|lijn)|powyżej tej linii|ovanför den här raden|over denne linje|выше этой (?:строки|линии)|bu satırın üst|nad tento řádek|nad touto čiarou"
    r"|この(?:行|線)より上|在此行(?:之)?上|이 줄 위에|فوق هذا السطر|מעל (?:ל)?שורה זו",
    re.IGNORECASE,
)
_MAX_MARK = 200


def is_rule(plain: str) -> bool:
    """Whether the line is only a horizontal line."""
    return plain[:1] in "-_=*~—–─" and _RULE.fullmatch(plain[:_MAX_MARK]) is not None if plain else False


def is_forward_mark(plain: str) -> bool:
    """Whether what follows was passed on: "---------- Forwarded message ---------", "Begin forwarded message:"."""
    plain = plain[:_MAX_MARK].lstrip("> ")
    if edged := _EDGED.match(plain):
        return _FORWARD.search(edged[1]) is not None
    return _BEGIN_FORWARD.fullmatch(plain) is not None


def is_message_mark(plain: str) -> bool:
    """Whether the line says that the mail follows that is answered: "-----Original Message-----"."""
    edged = _EDGED.match(plain[:_MAX_MARK]) if plain[:1] in "-_=*~—>" else None
    return edged is not None and _ORIGINAL.search(edged[1]) is not None


def is_reply_above_mark(plain: str) -> bool:
    """Whether a ticket system asks with this line to write above it."""
    return _REPLY_ABOVE.search(plain[:_MAX_MARK]) is not None and len(plain) < _MAX_MARK
