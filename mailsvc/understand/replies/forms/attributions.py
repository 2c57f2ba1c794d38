"""What mail programs write above a quotation, one language a line."""

from mailsvc.understand.replies.forms.listed import listed

__all__ = ["OPENERS", "VERBS"]

# The verb of "… wrote:", in lower case.
VERBS = listed(
    """
    wrote|writes|has written
    schrieb|geschrieben|schreibt|schrieben
    a écrit|a écrit|écrit|écrivait|a ecrit|écrivit
    escribió|escribio|escribi=f3|ha escrito
    va escriure|ha escrit|escrigué
    escribiu
    escreveu|escreveram
    ha scritto|scrive|scrisse|hai scritto
    a scris
    schreef|geschreven|heeft geschreven
    napisał|napisała|napisano|napisał(a)|napisane|napisana|pisze
    skrev|skriver
    skreiv
    skrifaði
    kirjoitti|kirjoittaa
    kirjutas
    rakstīja
    rašė|parašė
    написал|написала|написал(а)|написано|пишет|писал|писал(а)|написали
    пише|написав|написав(ла)
    написа
    yazdı|yazdi|yazmış|şunları yazdı|şunu yazdı
    napsal|napsala|napsal(a)|napsal/a
    napísal|napísala|napísal(a)
    je napisal|je napisala
    je napisao|napisao/la|је написао
    írta|ezt írta|írt
    έγραψε
    書きました|のメール|さんは書きました
    写道|寫道|写到|寫到|写了|寫了
    작성|썼습니다|쓰셨습니다|작성했습니다|쓰시길
    đã viết|viết
    menulis
    เขียนว่า|เขียน
    كتب|كتبت|كتب/كتبت|كتب(ت)
    نوشت
    כתב|כתבה|כתב/ה
    """
)
# The word that such a line begins with where the date comes first.
OPENERS = listed(
    """
    on|at|in message|in article|quoting|in a message dated
    am|um|vom
    le|en date du
    el|en
    em|a|no dia|no
    il|in data|il giorno|il giorno
    în|pe|la data de
    op
    w dniu|dnia|wiadomość napisana przez|użytkownik
    den|på|i
    d.
    kl.
    в|от
    у
    dne|dňa
    dana
    ekkor
    στις|την
    在|于|於
    vào|vào lúc
    pada
    เมื่อ|ในวันที่
    في|بتاريخ|يوم
    در
    בתאריך|ב|ביום
    """
)
