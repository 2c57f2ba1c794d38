"""Patterns of words in refusals and notices in other languages than English. Data, read by ``mime.refusal_words``."""

__all__ = ["TRANSLATED"]

# The reason, then the patterns; tried after the English ones.
TRANSLATED = (
    (
        "mailbox_full",
        r"(speicherplatz|speicher|kontingent|postfach)[^.]{0,40}(überschritten|voll|erreicht|erschöpft)|(boîte|boite|messagerie|quota)[^.]{0,40}(pleine|saturée|dépassé|atteint)",
        r"(buz[óo]n|cuenta|cuota|casilla)[^.]{0,40}(llen[oa]|excedid|super[óo]|sin espacio)|(caixa|cota|quota|conta)[^.]{0,40}(cheia|excedid|lotad|esgotad)",
        r"(casella|spazio|quota)[^.]{0,40}(piena|esaurit|superat)|(postbus|mailbox)[^.]{0,20}(is )?vol\b|(ящик|почтов)[^.]{0,30}(переполнен|заполнен)|превышен[^.]{0,20}(квот|размер ящика)",
        r"(メールボックス|受信箱|容量|ディスク)[^。]{0,20}(いっぱい|満杯|超過|超えて|制限)|(邮箱|郵箱|空间|空間|容量|信箱)[^。]{0,12}(已满|已滿|满了|不足|超出|超过|超限)",
    ),
    (
        "message_too_large",
        r"nachricht[^.]{0,20} zu groß|(message|courrier)[^.]{0,20} trop (gros|volumineux|grand)|mensaje[^.]{0,30} (demasiado grande|tama[ñn]o)|mensagem[^.]{0,20} (muito grande|tamanho)|messaggio[^.]{0,20} troppo grande",
        r"слишком больш|サイズ[^。]{0,12}(超|制限|大き)|(邮件|郵件)[^。]{0,8}(过大|太大|過大|大小超)",
    ),
    (
        "spam_rejected",
        r"(als|wie) (spam|werbung)|(comme|considéré)[^.]{0,20} (spam|indésirable)|correo no deseado|mensaje no solicitado|indesejad|spamverdacht|迷惑メール|スパム|垃圾邮件|垃圾郵件|спам",
    ),
    (
        "mailbox_disabled",
        r"(konto|postfach|adresse)[^.]{0,30}(deaktiviert|gesperrt|stillgelegt|gelöscht)|(compte|adresse|boîte)[^.]{0,30}(désactivé|suspendu|fermé|clos|supprimé)",
        r"(cuenta|buz[óo]n)[^.]{0,30}(desactivad|inhabilitad|suspendid|cerrad|bloquead)|(conta|caixa)[^.]{0,30}(desativad|suspens|encerrad|bloquead|inativ)",
        r"(account|casella|utente)[^.]{0,30}(disattivat|disabilitat|sospes|chius|scadut)|(ящик|аккаунт|учётная запись|учетная запись)[^.]{0,30}(заблокирован|отключен|отключён|удален|удалён|неактив)",
        r"(アカウント|メールアドレス)[^。]{0,12}(停止|無効|廃止)|(账号|帐号|账户|邮箱|用户)[^。]{0,8}(停用|禁用|冻结|锁定|关闭|过期)",
    ),
    (
        "mailbox_unknown",
        r"(adresse|empfänger|postfach|benutzer|konto)[^.]{0,60}(existiert nicht|nicht (gefunden|vorhanden|bekannt|existent)|unbekannt|ungültig)|gibt es (hier )?nicht",
        r"(adresse|destinataire|utilisateur|compte|boîte)[^.]{0,60}(n['’]existe (pas|plus)|introuvable|inconnu|inexistant|n['’](a|est)[^.]{0,12} (pas|plus)[^.]{0,12}(trouvé|valide)|non valide|invalide)",
        r"(direcci[óo]n|destinatario|usuario|cuenta|buz[óo]n|correo)[^.]{0,60}(no existe|no (se|ha)[^.]{0,16} (encontr|encuentr|hall)|desconocid|inexistente|no (es )?v[áa]lid)|no se encontr[óo] (la|el)[^.]{0,20}(direcci|destinatari|usuari)",
        r"(endere[çc]o|destinat[áa]rio|usu[áa]rio|conta|caixa)[^.]{0,60}(n[ãa]o (existe|foi encontrad|p[ôo]de ser encontrad|encontrad|é válid)|desconhecid|inexistente|inv[áa]lid)",
        r"(indirizzo|destinatario|utente|casella|account)[^.]{0,60}(non (esiste|è stato trovato|trovato|valido)|inesistente|sconosciut)",
        r"(adres|ontvanger|geadresseerde|gebruiker)[^.]{0,60}(bestaat niet|niet gevonden|onbekend|ongeldig)|(adres|odbiorc|użytkownik|konto)[^.]{0,60}(nie istnieje|nie (został )?znalezion|nieznan|nieprawidłow)",
        r"(адрес|получател|пользовател|ящик)\w{0,3}[^.]{0,60}(не существует|не найден|неизвест|отсутствует|не обнаружен|неправильн)|(нет|несуществующ)[^.]{0,20}(такого|пользовател|ящик|адрес)",
        r"(宛先|アドレス|ユーザー?|受信者|メールボックス)[^。]{0,30}(存在し(ません|ない)|見つかりません|見つからない|不明|間違)|(用户|地址|收件人|邮箱|帐号|账号|信箱|使用者)[^。]{0,16}(不存在|找不到|未找到|无效|無效|错误)|(找不到|无此|没有|查无此)(该|此)?(用户|收件人|邮箱|地址|帐号)",
    ),
    (
        "domain_unknown",
        r"(domain|domäne|domaine|dominio|dom[íi]nio|домен)\w{0,3}[^.]{0,40}(existiert nicht|nicht gefunden|n['’]existe pas|introuvable|no existe|no se encontr|n[ãa]o existe|n[ãa]o foi encontrad|non esiste|non trovato|не существует|не найден)|(ドメイン)[^。]{0,16}(存在しません|見つかりません)|(域名|域)[^。]{0,10}(不存在|找不到)",
    ),
)
