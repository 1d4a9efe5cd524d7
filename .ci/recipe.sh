# Runs one line of a recipe of the Makefile: sh .ci/recipe.sh LINE
#
# Where a line fails make has the last word, and it is "Error 1". So the reason goes into the file that
# $TICKERTAPE_REASON names, where the line has not left its own there, the lines that follow are passed over,
# and the Makefile ends make with the reason. After an interruption make ends by itself, without a word.
[ -s "$TICKERTAPE_REASON" ] && exit 0
trap 'interrupted=yes' INT TERM
/bin/sh -c "$1"
status=$?
if [ -n "$interrupted" ]; then
    rm -f "$TICKERTAPE_REASON"
    exit 0
fi
if [ "$status" -ne 0 ] && ! [ -s "$TICKERTAPE_REASON" ]; then
    printf '%.60s … ended with status %s; the lines above say why\n' "$1" "$status" >"$TICKERTAPE_REASON"
fi
exit 0
