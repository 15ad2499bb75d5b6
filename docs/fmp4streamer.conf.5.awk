# Makes the manual page fmp4streamer.conf(5) from fmp4streamer.conf.dist, which has all of its text.
#
# A comment before the first section describes the file, one before a section's head that section, and one before keys
# these keys.

function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    return text ~ /^[.']/ ? "\\&" text : text
}
function end_of_block(    i) {
    for (i = 1; i <= keys; i++) print (i == 1 ? ".TP" : ".TQ") "\n" key[i]
    if (keys) printf "%s", block
    else if (block != "") before_head = before_head ".PP\n" block
    keys = 0
    block = ""
}
BEGIN {
    print ".TH FMP4STREAMER.CONF 5 \"\" fmp4streamer"
    print ".SH NAME\nfmp4streamer.conf \\- the config of fmp4streamer(1)\n.SH DESCRIPTION"
}
/^#?$/ { end_of_block(); next }
/^# / {
    text = roff(substr($0, 3))
    block = block (text ~ /^Allowed: / ? ".br\n" : "") text "\n"
    next
}
{ sub(/^#/, "") }
/^\[/ {
    end_of_block()
    if (!sections++) print before_head ".SH SECTIONS AND KEYS\n.SS " roff($0)
    else printf ".SS %s\n%s", roff($0), before_head
    before_head = ""
    next
}
{
    key[++keys] = "\\fB" roff($0)
    sub(/ =/, "\\fR =", key[keys])
}
END {
    end_of_block()
    printf "%s", before_head
    print ".SH FILES\n.I /etc/fmp4streamer.conf\n.SH SEE ALSO\n.BR fmp4streamer (1)"
}
