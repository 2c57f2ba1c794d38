"""What notices say in many languages: that a message failed, is delayed, or that a list of recipients follows."""

import re
from functools import lru_cache

__all__ = ["DELAYED", "FAILED", "FAILED_SUBJECT", "FINAL", "LIST_FOLLOWS", "Phrases", "lowered"]


_LATIN = re.compile(r"[a-z]{3}")


@lru_cache(maxsize=4)
def lowered(text: str) -> str:
    """Return a text in lower case, of the same length, so that positions stay."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join([c if len(c.lower()) != 1 else c.lower() for c in text])


class Phrases:
    """Patterns for text in lower case. Those of other scripts are not tried with ASCII, which most notices are."""

    def __init__(self, *shapes: str) -> None:
        latin = [shape for shape in shapes if _LATIN.search(shape)]
        self._latin = re.compile("|".join(latin))
        self._all = re.compile("|".join(shapes))

    def search(self, text: str) -> re.Match[str] | None:
        """Search a text in lower case."""
        return (self._latin if text.isascii() else self._all).search(text)


_NOT = r"(?:could(?: not|n['’]t)|can(?:not| not|['’]t)|was(?: not|n['’]t)|were(?: not|n['’]t)|has not been|have not been|is not|unable to|failed to|not able to|wasn['’]t able to)"

FAILED = Phrases(
    _NOT + r"(?: be)?(?: \w+){0,3} (?:deliver(?:ed|able)?|sent|send|reach(?:ed)?|relay(?:ed)?)\b",
    r"undeliver(?:able|ed)|non-?delivery|delivery(?: to| of| status)?[^\n.]{0,60}\b(?:fail(?:ed|ure)|error|problem|trouble|aborted|incomplete)",
    r"fail(?:ed|ure)[^\n.]{0,30} deliver|(?:mail|message)[^\n.]{0,20} (?:failed|failure|error|rejected|undelivered)|failure notice|returned (?:mail|message|to sender)",
    r"did not reach|(?:not|never) (?:been )?(?:delivered|reach)|bounced?\b|permanent (?:fatal )?(?:delivery )?(?:error|failure)|fatal error|trouble delivering|problem delivering",
    r"(?:rejected|returned|refused|blocked)[^\n.]{0,40}(?:message|mail|recipient)|(?:unknown|no such|invalid) (?:final delivery )?(?:user|recipient|mailbox|address)|(?:mailbox|inbox|account|user)[^\n.]{0,30}(?:is full|over ?quota|full\b)",
    r"(?:wasn['’]t|was not|not|couldn['’]t be) found|(?:delivery|mail) (?:has been )?(?:delayed|postponed)|not yet been delivered|transcript of session|did not like our|error(?:s)? (?:occurred|while|sending)",
    r"(?:nicht|nicht an .{1,80}) (?:zugestellt|ausgeliefert|übermittelt|zustellbar|gesendet)|unzustellbar|zustellung[^\n.]{0,40}(?:fehlgeschlagen|nicht möglich|fehler)|fehler bei der (?:zustellung|übermittlung)|zustellfehler",
    r"n['’]a(?: pas)? pu être (?:remis|délivré|distribué|envoyé|livré)|n['’]a pas été (?:remis|distribué|délivré)|échec (?:de|d['’])[^\n.]{0,12}(?:remise|livraison|envoi|distribution)|remise[^\n.]{0,30}échoué|impossible de (?:remettre|livrer|distribuer)|non remis|non distribu",
    r"no (?:se )?(?:ha podido|pudo|puede|fue posible)[^\n.]{0,20}(?:entrega|enviar|envío|ser entregad)|error (?:de|en la) entrega|fallo (?:de|en la) entrega|no entregad|no se entreg|devuelto",
    r"não (?:p[ôo]de|foi|pode)[^\n.]{0,25}(?:entreg|envia)|nao (?:pode|foi)[^\n.]{0,25}(?:entreg|envia)|falha (?:na|de) entrega|não entregue|devolvid|erro (?:na|de) entrega",
    r"non (?:è stato possibile|può essere|è stato|è)[^\n.]{0,30}(?:recapita|consegna|invia)|recapito non riuscito|mancat[ao] (?:recapito|consegna)|impossibile (?:recapitare|consegnare|inviare)|errore di consegna",
    r"(?:niet|kon niet|kan niet)[^\n.]{0,30}(?:bezorg|afgelever|verzonden)|onbestelbaar|bezorging[^\n.]{0,50}mislukt",
    r"не (?:может быть|было|удалось|доставлен)[^\n.]{0,60}|недоставлен|невозможно доставить|ошибка доставки|не доставлено|не вдалося доставити",
    r"nie (?:można|udało|może|został)[^\n.]{0,30}(?:dostarcz|doręcz|wysła)|niedostarczon|nelze doručit|nedoruč|nem (?:sikerült|kézbesíthető)|nu (?:a putut|poate) fi livrat",
    r"(?:kunde|kunne|kan) (?:inte|ikke)[^\n.]{0,30}(?:levere|sänd|sende)|kan ikke leveres|teslim edilemedi|iletilemedi|gönderilemedi|toimitus epäonnistui",
    r"(?:配信|配達|送信|送達|届け|お届け)(?:することが)?(?:でき|され)(?:ません|ず|なかった)|配信不能|配信エラー|送信エラー|エラーのため|存在しません|見つかりません|に失敗(?:し|いた)|戻ってき|配信に失敗",
    r"(?:无法|未能|没有|不能|無法|未)(?:[^\n。]{0,20})(?:投递|发送|送达|传递|遞送|傳送|傳遞|寄送|送達)|退信|投递失败|发送失败|传递失败|傳遞失敗|传输失败|邮件被退回|退回|不存在",
    r"배달되지|전송(?:하지|되지) 못|반송|전달되지|배달 실패|전송 실패|لم يتم تسليم|تعذر تسليم|לא נמסר|ไม่สามารถส่ง",
)

FAILED_SUBJECT = Phrases(
    r"undeliver|deliver[^\n]{0,30}(?:fail|error|problem|notif|status|delay|warning|report|incomplete)|non[- ]?delivery|fail(?:ed|ure)[^\n]{0,20}(?:deliver|notice|notification|mail)",
    r"(?:mail|message|e-?mail)[^\n]{0,20}(?:fail|error|not (?:been )?(?:yet )?deliver|return|reject|undeliver|could not|delayed|bounce)|returned (?:mail|message|e-?mail|to sender)|failure notice|bounce|mailbox[^\n]{0,12}(?:full|error)",
    r"could ?n[o']t (?:be )?(?:deliver|send|sent)|not (?:yet )?(?:been )?delivered|warning:? [^\n]{0,20}(?:message|mail|could not)|^warning--|still being retried|error sending|non remis|rejected:|address not found",
    r"unzustellbar|zustell|fehler|échec|non (?:remis|distribu|délivr)|remise|no (?:se )?(?:pudo|puede|ha podido|entreg)|entrega|devuelt|devolv|não (?:entreg|foi)|falha|recapit|consegna|onbestelbaar|mislukt",
    r"не ?доставлен|невозможно|ошибка|niedostarcz|nie dostarcz|nedoruč|kézbesít|olevere|ikke levert|kunde inte|teslim",
    r"配信|送信でき|エラー|戻り|未達|失敗|退信|失败|退回|失敗|投递|发送|传输|반송|실패|تسليم",
)

# A list of failed recipients follows these words.
LIST_FOLLOWS = (
    r"(?:following|these|failed|affected|intended|undeliverable)(?:\s+list of)?(?: e-?mail| mail)?(?: \w+){0,2}? (?:address(?:\(?es\)?)?|recipients?(?:\(s\))?|destinations?|users?|persons?|people)\b[^\n:]{0,100}(?::|$|\n)"
    r"|(?:one|some|all)(?: or (?:more|all))? of (?:its|the|your|their) (?:intended )?(?:recipients|destinations)|one or more (?:recipients|destinations|addresses)"
    r"|address(?:es)? to which the message[^\n:]{0,60}|(?:failed|undeliverable) (?:address(?:es)?|recipients?)(?: follows?)?"
    r"|(?:folgende|diese|angegebene)[nrs]? (?:e-?mail-?)?(?:empfänger|adresse)n?|an die folgenden"
    r"|(?:destinataires?|adresses?(?: e-?mail)?|personnes?)(?: ou groupes?)? suivante?s?|ces destinataires|(?:le|au) destinataire|ce destinataire"
    r"|siguientes? (?:destinatarios?|direcci\w+|usuarios?)|estos destinatarios|este destinatario"
    r"|seguintes? (?:destinat[áa]rios?|endere\w+|usuários?)|estes destinatários|este destinatário"
    r"|seguent[ei] (?:destinatar\w+|indirizz\w+)|questi destinatari"
    r"|(?:volgende|deze) (?:geadresseerden?|ontvangers?|adres\w*)"
    r"|(?:следующ\w+|этим|указанн\w+|нескольким) (?:получател\w+|адрес\w+)|(?:następując\w+|tych) (?:adres\w*|odbiorc\w*)"
    r"|(?:följande|følgende|disse) (?:mottagare|modtagere|mottakere|adresse\w*|e-postadress\w*)|şu (?:alıcı|kişi)\w*"
    r"|(?:次|以下|下記|この)の?(?:メール ?アドレス|あて先|宛先|受信者|送信先|アドレス|方)|(?:以下|下列|这些|下面|這些)的?(?:收件人|邮件地址|邮箱|地址|收件者|用户)|다음 (?:받는 사람|수신자|주소)"
)

DELAYED = Phrases(
    r"(?:has |have )?(?:not yet|n['’]t yet) been delivered|(?:message|mail|delivery)[^\n.]{0,50}\b(?:is |was |has been |been )?(?:delayed|postponed|deferred)\b",
    r"(?:will|we['’]ll) (?:be )?(?:retried|re-?tried|retry|continue|keep (?:on )?trying|try again)|(?:continue|keep) (?:to )?(?:try|attempt|deliver)|still being (?:re)?tried|attempts will continue",
    r"this is (?:a|just a|only a) warning|warning (?:message )?only|advisory-only|(?:need|have) (?:not |to )?(?:to )?(?:re-?send|do anything)\b(?=[^\n]{0,40}(?:will|#|\.\n))|delivery incomplete|temporary problem delivering|no action is required on your part|(?:could|can)(?: ?not|n['’]t) (?:send|deliver)(?: \w+){0,2} for (?:the )?past|warning:? message[^\n]{0,40} delayed",
    r"(?:noch nicht|verzögert|weiterhin versucht|erneut versucht)[^\n.]{0,30}|(?:pas encore|retardé|différé)[^\n.]{0,20}(?:remis|livr|distribu|$)|todavía no (?:se )?(?:ha|pudo)|se ha retrasado|se seguirá intentando",
    r"ainda não (?:foi|pôde)|continuaremos tentando|foi adiada|non ancora|è stat[oa] ritardat|in ritardo|nog niet (?:bezorgd|afgeleverd)|еще не (?:было )?доставлен|задержан|отложен",
    r"配信が遅れ|遅延して|再送を試み|まだ配信されて|延迟|尚未(?:送达|投递|传递)|将继续(?:尝试|重试)|推迟",
)

# The end of all tries, said in a text that also has words of delay.
FINAL = Phrases(
    r"giving up|(?:has|have|['’]ve) given up|gave up|permanent(?:ly)?(?: fatal)?(?: delivery)? (?:error|fail)|no further (?:delivery )?attempts|will not (?:continue|be (?:retried|re-?tried|attempted))|failed permanently|(?:removed|deleted) from (?:the )?(?:mail )?queue",
    r"could not be delivered for \d+|message (?:has )?expired|too long in (?:the )?queue|has been in the queue too long|endgültig|définitiv|definitiv|не будут? повтор",
)
