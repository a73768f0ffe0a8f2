//! Golden prompts: the documented format of each family, and a template in the idiom that its models ship.

use super::{ChatTemplate, Source};
use backend::{Chat, ChatMessage, Role};

fn message(role: Role, content: &str) -> ChatMessage {
    ChatMessage::new(role, content)
}

/// A conversation with each role and a space to trim.
fn conversation() -> Vec<ChatMessage> {
    vec![
        message(Role::System, "Be brief."),
        message(Role::User, " Hello "),
        message(Role::Assistant, "Hi!"),
        message(Role::User, "2 < 3?"),
    ]
}

fn render(source: &str, messages: &[ChatMessage]) -> Result<String, String> {
    render_chat(source, &Chat::new(messages.to_vec()))
}

fn render_chat(source: &str, chat: &Chat) -> Result<String, String> {
    let source = Source { chat: source, tools: None };
    let template = ChatTemplate::compile(source, "<s>".to_string(), "</s>".to_string())?;
    template.render(&template.input(chat))
}

#[test]
fn chatml() {
    let source = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + \
                  '<|im_end|>' + '\\n' }}{% endfor %}\
                  {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
    let expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hello <|im_end|>\n\
                    <|im_start|>assistant\nHi!<|im_end|>\n<|im_start|>user\n2 < 3?<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(render(source, &conversation()).unwrap(), expected);
}

/// Whitespace comes from `-` in the tags; the template trims contents and writes the first token itself.
#[test]
fn llama_3() {
    let source = r"{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}";
    let expected = "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>\
                    <|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>\
                    <|start_header_id|>assistant<|end_header_id|>\n\nHi!<|eot_id|>\
                    <|start_header_id|>user<|end_header_id|>\n\n2 < 3?<|eot_id|>\
                    <|start_header_id|>assistant<|end_header_id|>\n\n";
    assert_eq!(render(source, &conversation()).unwrap(), expected);
}

/// Slices the list, changes a variable from inside a loop, checks alternation, and folds the system message
/// into a turn.
const MISTRAL: &str = r"{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{%- set state = namespace(n=0) %}
{{- bos_token }}
{%- for turn in turns %}
    {%- if (turn['role'] == 'user') != (state.n % 2 == 0) %}
        {{- raise_exception('roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- set state.n = state.n + 1 %}
    {%- if turn['role'] == 'user' %}
        {%- if loop.last and system is defined %}
            {{- '[INST] ' + system + '\n\n' + turn['content'].strip() + '[/INST]' }}
        {%- else %}
            {{- '[INST] ' + turn['content'].strip() + '[/INST]' }}
        {%- endif %}
    {%- else %}
        {{- ' ' + turn['content'].strip() + eos_token }}
    {%- endif %}
{%- endfor %}";

#[test]
fn mistral() {
    let expected = "<s>[INST] Hello[/INST] Hi!</s>[INST] Be brief.\n\n2 < 3?[/INST]";
    assert_eq!(render(MISTRAL, &conversation()).unwrap(), expected);
}

#[test]
fn a_template_refuses_in_its_own_words() {
    let twice = [message(Role::User, "a"), message(Role::User, "b")];
    let reason = "roles must alternate user/assistant/user/assistant/...";
    assert_eq!(render(MISTRAL, &twice), Err(reason.to_string()));
}

#[test]
fn gemma() {
    let source = r"{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{{ raise_exception('System role not supported') }}{% endif %}
{% for message in messages %}
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}";
    let expected = "<s><start_of_turn>user\nHello<end_of_turn>\n\n<start_of_turn>model\nHi!<end_of_turn>\n\n\
                    <start_of_turn>user\n2 < 3?<end_of_turn>\n\n<start_of_turn>model\n";
    assert_eq!(render(source, &conversation()[1..]).unwrap(), expected);
    assert_eq!(render(source, &conversation()), Err("System role not supported".to_string()));
}

/// Tags on lines of their own leave nothing behind: the newline after a tag and the blanks before it go.
#[test]
fn phi_3() {
    let source = "{% for message in messages %}
    {% if message['role'] in ['system', 'user'] %}
{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' -}}
    {% else %}
{{ '<|assistant|>\\n' + message['content'] + '<|end|>\\n' -}}
    {% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|assistant|>\\n' -}}
{% else %}
{{ eos_token -}}
{% endif %}
";
    let expected = "<|system|>\nBe brief.<|end|>\n<|user|>\n Hello <|end|>\n<|assistant|>\nHi!<|end|>\n\
                    <|user|>\n2 < 3?<|end|>\n<|assistant|>\n";
    assert_eq!(render(source, &conversation()).unwrap(), expected);
}

/// What templates use of Python and of Hugging Face's environment, one expression each.
#[test]
fn python_idioms() {
    let user = [message(Role::User, "a</think>b 'c' <d>")];
    let cases = [
        ("{{ messages[0].content.split('</think>')[-1].lstrip() }}", "b 'c' <d>"),
        ("{{ messages[0].content | tojson }}", "\"a</think>b 'c' <d>\""),
        ("{{ messages[0] | tojson }}", "{\"role\": \"user\", \"content\": \"a</think>b 'c' <d>\"}"),
        ("{{ messages[0].content.startswith('a') and not messages[0].content.endswith('x') }}", "True"),
        ("{% for k, v in messages[0].items() %}{{ k }};{% endfor %}", "role;content;"),
        ("{% if tools %}tools{% else %}none{% endif %}", "none"),
        ("{{ messages[0].tool_calls.name is defined }}", "False"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{% generation %}x{% endgeneration %}{%- generation -%} y {%- endgeneration -%}", "xy"),
        ("{% if strftime_now is defined %}{{ strftime_now('%d') }}{% else %}26 Jul 2024{% endif %}", "26 Jul 2024"),
        ("{% macro say(x) %}<{{ x }}>{% endmacro %}{{ say(messages | length) }}", "<1>"),
    ];
    for (source, expected) in cases {
        let rendered = render(source, &user);
        assert_eq!(rendered.as_deref().map(str::to_lowercase), Ok(expected.to_lowercase()), "{source}");
    }
}

#[test]
fn a_broken_template_says_where() {
    let error = render("line 1\n{% if %}", &conversation()).unwrap_err();
    assert!(error.contains("line 2"), "{error}");
}

/// A template is code from a file that somebody downloaded: it must not keep a thread for ever.
#[test]
fn a_template_that_loops_is_stopped() {
    let source = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    assert!(render(source, &conversation()).unwrap_err().contains("fuel"));
}
