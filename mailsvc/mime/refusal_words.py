"""The bounce reason for each pattern of words in a refusal. Data, read by ``mime.refusal_meaning``.

A new pattern is one line here and one row in ``tests/corpus/replies.toml``. Patterns are tried from top to bottom, the
more specific ones first. They are matched with one line in lower case, without addresses, codes and the
paths of URLs.
"""

import re

from mailsvc.mime.refusal_translations import TRANSLATED

__all__ = ["ABOUT_COUNT", "ELSEWHERE", "HINTS", "OF_RECIPIENT", "Forms"]

_ESCAPE_OR_UPPER = re.compile(r"\\.|[A-Z]+", re.DOTALL)

Forms = tuple[tuple[str, re.Pattern[str]], ...]


def _forms(*rows: tuple[str, ...]) -> Forms:
    return tuple((reason, re.compile(_lower("|".join(shapes)))) for reason, *shapes in rows)


def _lower(pattern: str) -> str:
    """Return a pattern for text in lower case, which takes half the time of ``re.IGNORECASE``. Escapes stay as they are."""
    return _ESCAPE_OR_UPPER.sub(lambda found: found[0] if found[0][0] == "\\" else found[0].lower(), pattern)


# More recipients in one transaction than the relay accepts. With a period of time, it is a rate.
ABOUT_COUNT = re.compile(
    r"too (many|much) (rcpts?|recipients?|addressees)\b(?! from)|(recipient|rcpt)s? (count|limit)[^.]{0,20}(exceed|reached)"
    r"|(number|count) of (rcpts?|recipients|addressees)|(recipient|rcpt)s? per (message|mail|e-?mail|transaction)"
    r"|(maximum|max|limit|more than)[^.]{0,12} \d*[^.]{0,10}recipients|out of allow(ed)? rcpt",
    re.IGNORECASE,
)

_PERIOD = r"(second|minute|hour|day|week|month)"
_MAILS = r"(e-?mails?|mails?|messages?|letters?)"
_SENDING = r"(send(ing)?|sent|sender|smtp|relay(ing)?|out(going|bound)|submission|delivery|mailing|deliveries)"

# A rate or a quota, of the sending account or of a recipient: a later try may work. A full mailbox and a message's size
# also have words about limits; their patterns are in between.
_LATER = _forms(
    (
        "greylisted",
        r"gr[ea]y-? ?list|postgrey",
    ),
    (
        "rate_limited",
        r"\bsender[^.]{0,20} (has )?(exceed|reach)\w*",
        rf"\b(hourly|daily|weekly|monthly|per[- ](\d+ )?{_PERIOD}s?|(an?|each|every|this|last|one) {_PERIOD})\b[^.]{{0,60}}(limit|quota|maximum|max\b|cap\b|rate\b|allowed|exceed|reach)",
        rf"(limit|quota|maximum|max\b|rate\b|exceed\w*|reach\w*|too (many|much))[^.]{{0,60}}\b(hourly|daily|weekly|monthly|(per|/|an?|each|every|this|last|one)[ -]?(\d+ )?{_PERIOD}s?)\b",
        rf"(limit|quota|exceed\w*|too (many|much)|more than \d+ {_MAILS})[^.]{{0,60}}\b(in|within|every) (the )?(last |past )?\d+ ?{_PERIOD}s?\b",
    ),
    (
        "mailbox_full",
        r"(user|mailbox|inbox|account|recipient|benutzer)\S* (has|hat) (too many|zu ?viele)",
        r"(mailbox|inbox)('s)? (size|storage) (limit|quota)|exceed\w* (the |its |his |user )?(mailbox|inbox) (quota|size|limit)",
        r"(mailbox|inbox|storage|disk|recipient'?s?|user'?s?)( is| has| mailbox| account)? ?(over|above|exceed\w*|out of)( (?!send|out|mail\b|message|relay|daily|hourly)\w+){0,2} ?(storage|disk|quota|space)",
    ),
    (
        "message_too_large",
        r"(message|mail|attachment|body|header|file)s? ?(content |body )?(size|length)",
        r"(size|length) (limit|of)|too (large|big)",
    ),
    (
        "rate_limited",
        rf"too (many|much) (concurrent |smtp |new |simultaneous |unsent |sent |bad |failed |invalid )*({_MAILS}|mailings?|connect\w*|sessions|requests|logins|attempts|deferrals|bounces|same size)",
        r"too (frequent|fast|quick)|(sending|relay|deliver|mail)\w* [^.]{0,20}\btoo (fast|quick)",
        r"rate[- ]?(limit|control|exceed)|ratelimit|throttl|frequency|slow(ing)? down|flood",
        rf"\b({_SENDING}|{_MAILS}|connection|recipient|unusual|excessive|high|max(imum)?) rate\b",
        r"\brate (of|is|has|that|too|policy)\b",
        rf"\b({_SENDING}|user sending|{_MAILS}|account|plan|credits?|tenant|connections?|sessions?|threads?) ?(limit|quota|credits?|allowance|threshold)s?\b[^.]{{0,40}}(exceed|reach|used up|exhaust|hit|over)",
        rf"(exceed\w*|reach\w*|over|hit|used up|exhausted|out of)[^.]{{0,40}}\b({_SENDING}|{_MAILS})[^.]{{0,16}}(limit|quota|allowance|threshold|credits?)",
        rf"(exceed\w*|reach\w*|hit|used up|exhausted)[^.]{{0,30}}(max(imum)?\b( number of| allowed| permitted)?|number of)[^.]{{0,16}}({_MAILS}|defers)",
        r"\blimit (on|of|for|to)\b[^.]{0,40}\b(outgoing|outbound|sent)\b[^.]{0,60}(exceed|reach)",
        rf"\b(outgoing|outbound|sent) {_MAILS}[^.]{{0,30}}(exceed|reach)\w*[^.]{{0,20}}(limit|quota)",
        rf"more {_MAILS} than (is |are |was )?(allowed|permitted)|too (many|much) recipients from|policy[^.]{{0,20}}quota",
        r"exceed\w* [^.]{0,20}limits? (with)?in (a|the) (time|period)|\b(sending|outgoing|relay) (limit|quota)s?\b",
        rf"{_MAILS} per (session|connection)|\bsent \d+ {_MAILS} in the last",
        r"\byou('ve| have| are)?( already)? (exceed\w*|reach\w*|over|used up|exhausted|hit)[^.]{0,40}(limit|quota|allowance|threshold|credit)",
        r"(tenant|domain|organi[sz]ation|customer)[^.]{0,40}exceed\w*[^.]{0,20}(threshold|quota|credit)",
        r"(credits?|quota) (exceed\w*|exhausted|used up)[^.]{0,30}(send|relay|account)|maximum credits",
        r"limit exceeded\W+(please )?(try|retry|wait)",
        r"SubmissionQuota|unusual(ly)? (high )?(sending|amount|volume|rate|activity|number)",
        r"unexpected volume|unusual traffic",
    ),
)

# Words about the sender, the client, the message or a policy. They outweigh enhanced codes and stock phrases about the
# recipient, which many servers put before them.
_OF_THE_SENDER = _forms(
    (
        "authentication_failed",
        r"\b(spf|dkim|dmarc|arc)\b|un-?authenticated e?mail|(mail|message|sender) is un-?authenticated",
        r"sender policy framework|domainkeys|does not have authentication information",
    ),
    (
        "reputation_blocked",
        r"spamhaus|spamcop|barracudacentral|block(ed)? ?-?list|black ?-?(list|ip|mail)|deny ?list|dns[bw]l",
        r"\brbl\b|reputation|poor sender|banned|(?<!not )listed (at|in|by|on)|blocked using|\bsbl\b|\bxbl\b|\bpbl\b",
        r"unwanted (e-?)?(messages|mails?)|sender score|mail-abuse|cbl\.abuseat",
    ),
    (
        "content_rejected",
        r"not RFC ?[25]?[38]\d\d compliant",
    ),
    (
        "spam_rejected",
        r"\bspam|unsolicited|junk|bulk (e-?)?mail|phish|\bube\b|\buce\b|\[tmd|looks like spam|anti-?spam",
    ),
    (
        "content_rejected",
        r"virus|malware|infected|trojan",
    ),
    (
        "relaying_denied",
        r"relay(ing)? (access |operation )?(is )?(denied|disallowed|not (permitted|allowed|authori[sz]ed)|prohibited|refused|rejected)",
        r"unable to relay|(not (permitted|allowed|authori[sz]ed)|denies|refuse\w*|deny) (to )?relay",
        r"not configured to relay|we (do not|don't) relay|open relay|rcpthosts|\bas a relay|requires? (smtp )?authentication",
        r"(authentication|authorization|login|auth) (is )?(required|needed)",
        r"turn on smtp auth|must (be authenticated|authenticate|log ?in|issue a starttls)",
        r"(client|sender|user|you)( was| is| are| were)? not (authenticated|logged)",
        r"not authenticated to send|un-?authenticated (sender|client|user)|please (authenticate|log ?in)",
    ),
    (
        "sender_rejected",
        r"\bsender(s|'s)? (address |domain |e-?mail |id |identity |is |was |verif\w+ |host |ip )*(rejected|denied|refused|not|unknown|blocked|invalid|failed|failure|fail\b|unverified|mismatch|does|has no|un\w+)",
        r"(invalid|unknown|bad|fake|forged|spoofed|unverified|null|denie[sd]( the)?|reject\w*( the)?|block\w*( the)?|as this|use of this|from this|from that) (sender|return[- ]path|mail from|from address|from header)",
        r"(from|sender|envelope[- ]from|mail from|return[- ]path|from (header|address|domain|field))\b[^.]{0,60}\b(not (allowed|permitted|authori[sz]ed|verified|valid|owned|match|accepted|belong\w*|exist)|does ?n[o']t (match|belong|exist)|must (match|be)|mismatch|is invalid|unverified|denied|rejected|is not)",
        r"not (allowed|permitted|authori[sz]ed) to (send|use|mail|submit)|not owned by|send ?as ?denied",
        r"send(ing)? (mail )?(as|on behalf|from)\b[^.]{0,40}(denied|not|without)",
        r"(address|identit(y|ies)|domain)( is| are)? not verified|not verified[^.]{0,20}identit",
        r"identities failed|'send mail as'|envelope sender|bad ?mail ?from|spoof|impersonat|from address|sender id\b",
        r"mail from\b[^.]{0,20}(invalid|must|denied|reject)|\b(for|of)( the| your)? sender domain",
    ),
    (
        "policy_rejected",
        r"\b(helo|ehlo)|client host|your (host|server|ip|client|network|mail ?server)",
        r"reverse (dns|hostname|lookup)|\bptr\b|\brdns\b|client (rejected|denied|was)|invalid ip",
        r"\bip (address )?(is |was )?(rejected|denied|blocked|not allowed|not in)|host rejected|bad hostname",
        r"find your (reverse )?host|un-?verif\w{1,6} (sending )?ips?\b",
        r"\byour (e-?mail |mail |user |smtp |sending |hosting |sender |trial )*(account|service|subscription|domain|plan|tenant|organi[sz]ation|privilege|access|license|profile)",
        r"\b(mailing|sending|submission|outgoing (e?mail|messages)|outbound (e?mail|messages)|smtp( service| access| relay| auth)?|relay(ing)?)\b[^.]{0,60}\b(disabled|suspended|suspension|blocked|restricted|locked|paused|not (enabled|allowed|active)|revoked|on hold|stopped)",
        r"(?<!this )(?<!that )(?<!mail )(?<!user )(?<!recipient )(?<!'s )\baccount( has been| is| was)? (suspended|locked|blocked|restricted)",
        r"(suspended|blocked|disabled|locked|restricted|banned|prevented|stopped) (from|for) (send|mail|abuse|spam|violat)",
        r"outboundspam|\btenant\b|unpaid|overdue|(payment|billing|invoice)s?\b|terms of (service|use)",
        r"\baup\b|(disabled|suspended|blocked|locked)[^.]{0,30}\b(outbound|outgoing|sending|submission)",
        r"\byour (own )?(e-?mail )?(address|mailbox|user ?name|user)\b[^.]{0,30}(disabled|exist|unknown|suspended|blocked|invalid|not|locked)",
        r"\bsending (is|was|has been|privileges?)|compromised|hijack|not (activated|active|yet verified)",
        r"activate your|account[^.]{0,30}(review|probation|paus|abuse|violat)",
        r"\b(smtp|login|auth\w*)[ -](user )?(account|user)\b|\b(the|your|smtp|auth\w*|login)[ -]user ?name\b|\b(smtp|your) login\b",
        r"\bip check|accept (any )?(e-?)?mails? over\b",
    ),
)

ELSEWHERE: Forms = _LATER + _OF_THE_SENDER

# Words about the recipient, or about nothing else; used if no pattern above matches and no enhanced code decides.
OF_RECIPIENT = _forms(
    (
        "system_error",
        r"(service|server|recipient|mailbox|user|account|address)( is| was)? (temporarily|currently) (unavailable|not available)",
    ),
    (
        "expired",
        r"\b(message|queue lifetime|delivery time) (has )?expired|retry time ?(out|not)",
    ),
    (
        "mailbox_full",
        r"over ?-?quota|quota (is )?(exceeded|full|exhausted)|mailbox (is |was )?(full|too big)|full mailbox",
        r"exceed(ed|s|ing)? (its |the |their |his |your )?(\w+ )?(storage|quota|allocation|disk)",
        r"(out of|exhausted( \w+)?|no more|not enough|insufficient) (\w+ )?(storage|space|disk)",
        r"(storage|mailbox|inbox|account) (is )?(full|limit|exceeded)",
        r"(speicher|postfach)\w* (voll|\w*schritten)|boite pleine|buzon lleno",
    ),
    (
        "mailbox_disabled",
        r"\b(this|the|that|email|e-mail|recipient|user|recipient's|user's|destination) (e-?mail |user )?(account|mailbox|address|user|box)( that you tried to reach)?[^.]{0,12}( is| has| was| has been)*( been| currently| temporarily)? ?(disabled|suspended|inactive|locked|deactivated|discontinued|closed|deleted|removed|terminated|expired|not active|on hold)",
        r"(mailbox|user|address|recipient)( is| has| was| has been)*( been)? ?(disabled|suspended|inactive|locked|deactivated|discontinued|closed|deleted|removed|terminated|expired|not active)",
        r"inactive (user|recipient|mailbox|(e-?mail )?address|account)",
        r"no longer (active|in use|accepts?|accepting|used)|account closed|mailbox is frozen",
        r"disabled (recipient|mailbox|user)|hasn'?t accessed|has been (closed|deactivated)|user is inactive",
        r"account (is |has been )?(inactive|deactivated|closed|discontinued|expired)",
    ),
    (
        "mailbox_unknown",
        r"(user|recipient|mailbox|address|account|alias|addressee|e-?mail|local part|person)[^.]{0,60}(unknown|not (be )?found|does ?n[o']t (exist|have)|not exist|no longer|invalid|unavailable|not (listed|known|local|valid|recogni[sz]ed|a valid|our customer|have an?)|undeliverable|n'existe|inconnu|nicht (bekannt|gefunden|vorhanden)|no existe|inexist|sconosciut)",
        r"(unknown|no such|invalid|non-?existent|bad|unrecogni[sz]ed|illegal|no valid|undeliverable) (or \w+ )?(local )?(virtual )?(user|recipient|mailbox|address|account|person|alias|rcpt|addressee|destination|e-?mail|local[- ]part|name)",
        r"not a valid (recipient|user|mailbox)|not our customer|no mailbox|user does ?n[o']t have an? |RecipNotFound|RecipientNotFound",
        r"mailbox (name )?not allowed|no one (by|with) (that|this)|unknown[^.]{0,20}(inactive|locked)",
        r"recipient (address )?rejected: (undeliverable|unverified|unknown)|does not like recipient",
        r"(utente|casella|destinatario)[^.]{0,30}(sconosciut|inesist|non esist)",
        r"(usuario|buz\S{1,3}n|cuenta|destinatario)[^.]{0,30}(desconocid|no existe|inexist)",
        r"(utilisateur|destinataire|compte)[^.]{0,30}(inconnu|invalid)|(empf\S{1,3}nger|benutzer) (unbekannt|nicht)",
    ),
    (
        "domain_unknown",
        r"(domain|host)\b( [\w.-]{1,255})?[^.]{0,40}(not found|unknown|does ?n[o']t exist|no mx|not exist|not resolve|no dns)",
        r"unroute?able|no such (domain|host)|nxdomain|null ?mx|(domain|host) (name )?not found",
        r"does ?n[o']t accept (any )?(e-?)?(mails?|messages)\b(?! (from|over|via|of|with|to|for))|no mail (hosts|server|exchanger)",
    ),
    (
        "system_error",
        r"insufficient (system )?(storage|resources)|system (error|trouble|failure|problem)",
        r"server (error|busy)|out of memory",
    ),
    (
        "message_too_large",
        r"exceeds? (the )?(maximum|size|limit)|message (is )?too long",
    ),
    (
        "content_rejected",
        r"attachment|content (rejected|not|den)|forbidden content|prohibited (content|file)|header",
        r"\blines? (length|(is |are )?too long)",
    ),
    (
        "policy_rejected",
        r"mismatch|\brejected\b[.!]?\s*$|\b(mail|message|delivery|connection) (was |is |has been )?(rejected|refused)",
    ),
    (
        "system_error",
        r"loop|too many hops|hop count",
    ),
    (
        "policy_rejected",
        r"does ?n[o']t accept\b|polic(y|ies)|not (allowed|authori[sz]ed|permitted)|access denied|administrative|prohibit|restrict",
        r"blocked|refused|denied|rules?\b|groups\.google\.com|permission to (send|post)",
    ),
)

# What no English pattern decides.
OF_RECIPIENT += _forms(*TRANSLATED)

# Words that make it doubtful whether the recipient is at fault; then no address is suppressed.
HINTS = _forms(
    (
        "mailbox_full",
        r"(mailbox|inbox|account)\S* (is |has )?(a )?(full|over ?-?quota)\b|full mailbox|quota exceeded",
    ),
    (
        "sender_rejected",
        r"\b(sender|expediteur|remitente|mittente|absender|mail from|from address|from:|originator|return[- ]path|you('re| are) sending|sending (address|domain|from))\b",
    ),
    (
        "rate_limited",
        r"\b(rate|quota of|limit(s|ed)?|threshold)\b|too (many|much)",
    ),
    (
        "sender_rejected",
        r"\b(mx|dns|aaaa) (or |resource )?(\w+ )?(record|lookup)|\bdns\b(?! domain)",
    ),
    (
        "system_error",
        r"\btemporar(y|ily)\b",
    ),
    (
        "content_rejected",
        r"\bheaders?\b|\breply-?to\b",
    ),
    (
        "policy_rejected",
        r"\b(sandbox|trial|api|dashboard|control panel)\b|\b(for|before|to) (you )?send(ing)?\b(?! to)|allow(ed)? ?list",
        r"\b(polic(y|ies)|blocked|client|your (ip|host|domain|server|account|message|mail)\b[^.]{0,30}(reject|block|refus|den)|(un)?authori[sz]ed|reject due|not accept(ed|ing)\b(?! (messages|e?mail|any|-- invalid))|smtp auth|prohibit\w*|restrict\w*|authenticat\w+|permission|not (permitted|allowed|authori[sz]ed)|abuse|suspicious|security)\b",
    ),
)
