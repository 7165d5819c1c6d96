// libedit's el_set and history are variadic, which Swift does not import, and C's streams are variables, which
// Swift does not let concurrent code touch: the forms that we use, spelled out.
#include <histedit.h>
#include <stdio.h>

// An editor on this process's terminal.
static inline EditLine *edit_open(const char *program) {
    return el_init(program, stdin, stdout, stderr);
}

// Prints between two lines of editing.
static inline void edit_print(const char *text) {
    fputs(text, stdout);
    fflush(stdout);
}

static inline int edit_set_prompt(EditLine *editor, char *(*prompt)(EditLine *)) {
    return el_set(editor, EL_PROMPT, prompt);
}

static inline int edit_set_history(EditLine *editor, History *past) {
    return el_set(editor, EL_HIST, history, past);
}

static inline int edit_set_client_data(EditLine *editor, void *data) {
    return el_set(editor, EL_CLIENTDATA, data);
}

static inline void *edit_client_data(EditLine *editor) {
    void *data = 0;
    el_get(editor, EL_CLIENTDATA, &data);
    return data;
}

// `mode` is "emacs" or "vi".
static inline int edit_set_mode(EditLine *editor, const char *mode) {
    return el_set(editor, EL_EDITOR, mode);
}

// With 1, libedit puts the terminal right before a signal is acted on, and follows the window's size.
static inline int edit_set_signals(EditLine *editor, int flag) {
    return el_set(editor, EL_SIGNAL, flag);
}

// While a line is edited, Ctrl-C and Ctrl-Z are keys like others, and come as such.
static inline int edit_take_signal_keys(EditLine *editor) {
    return el_set(editor, EL_SETTY, "-d", "-isig", NULL);
}

// 0: the terminal as it was before; 1: as editing needs it.
static inline int edit_prepare_terminal(EditLine *editor, int flag) {
    return el_set(editor, EL_PREP_TERM, flag);
}

static inline int edit_add_function(
    EditLine *editor, const char *name, const char *help, unsigned char (*function)(EditLine *, int)) {
    return el_set(editor, EL_ADDFN, name, help, function);
}

static inline int edit_bind(EditLine *editor, const char *key, const char *function) {
    return el_set(editor, EL_BIND, key, function, NULL);
}

static inline int edit_history_set_size(History *past, int size) {
    HistEvent event;
    return history(past, &event, H_SETSIZE, size);
}

static inline int edit_history_skip_repeats(History *past) {
    HistEvent event;
    return history(past, &event, H_SETUNIQUE, 1);
}

static inline int edit_history_enter(History *past, const char *line) {
    HistEvent event;
    return history(past, &event, H_ENTER, line);
}
