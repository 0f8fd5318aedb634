%% The cures of hf/kernel.h on an Erlang socket: a bound on silence, a close with a receipt, a failed connect explained.
%% Linux. escript bounds.erl shows them on loopback; bounds.erl ADDRESS PORT SECONDS watches a peer.
-mode(compile).

-define(TCP, 6).
-define(KEEPIDLE, 4).
-define(KEEPINTVL, 5).
-define(KEEPCNT, 6).
-define(INFO, 11).
-define(RTO_MAX_MS, 44). % Linux 6.15; an older kernel ignores the raw option, and retransmissions double up to 2 min

%% Lets the kernel make the peer speak: four times within the bound, idle or not. Ends nothing.
set_bounds(Socket, Seconds) ->
    Raw = fun(Option, Value) -> {raw, ?TCP, Option, <<Value:32/native>>} end,
    ok = inet:setopts(Socket, [{keepalive, true},
                               Raw(?KEEPIDLE, max(1, Seconds div 3)),
                               Raw(?KEEPINTVL, max(1, Seconds div 6)),
                               Raw(?KEEPCNT, 127)]),
    _ = inet:setopts(Socket, [Raw(?RTO_MAX_MS, max(1000, Seconds * 1000 div 6))]),
    ok.

%% From struct tcp_info: state, retransmissions, probes, segments in flight, and how long nothing was heard, in ms.
tcp_info(Socket) ->
    {ok, [{raw, ?TCP, ?INFO, Info}]} = inet:getopts(Socket, [{raw, ?TCP, ?INFO, 104}]),
    <<State, _, Retransmits, Probes, _:20/binary, Unacked:32/native, _:24/binary,
      Data:32/native, Ack:32/native, _/binary>> = Info,
    #{state => State, retransmits => Retransmits, probes => Probes, unacked => Unacked, silence => min(Data, Ack)}.

%% True if the peer must be given up: nothing heard for the bound, and four transmissions unanswered.
%% gen_tcp:recv without a time-out would wait for ever: ask this between receives of a second or less.
is_silent(Socket, Seconds) ->
    #{silence := Silence, unacked := Unacked, retransmits := Again, probes := Probes} = tcp_info(Socket),
    Tried = case Unacked of 0 -> Probes; _ -> Again + 1 end,
    Silence >= Seconds * 1000 andalso Tried >= 4.

%% FIN behind all that was sent; reads to the end, since what is left unread turns close into RST. The socket must have
%% {exit_on_close, false}, or Erlang closes it itself at the peer's FIN, and there is nothing to ask.
close_with_receipt(Socket, Deadline) ->
    ok = gen_tcp:shutdown(Socket, write),
    Read = read_to_end(Socket, Deadline),
    #{state := State} = tcp_info(Socket),
    FinAcked = lists:member(State, [5, 6, 7]), % FIN_WAIT2, TIME_WAIT, CLOSE: all that was sent is acknowledged
    case Read of closed -> ok; _ -> inet:setopts(Socket, [{linger, {true, 0}}]) end, % the deadline: reset
    gen_tcp:close(Socket),
    #{fin_acked => FinAcked andalso Read =:= closed, read => Read}.

read_to_end(Socket, Deadline) ->
    case gen_tcp:recv(Socket, 0, Deadline) of
        {ok, _} -> read_to_end(Socket, Deadline);
        {error, Reason} -> Reason % closed: the peer's FIN. {show_econnreset, true} tells a reset from it
    end.

explain_connect(econnrefused) -> "RST: that host is up, and nobody listens on the port";
explain_connect(etimedout) -> "no answer to any SYN: host down, packets dropped, or the listener's queue is full";
explain_connect(ehostunreach) -> "the next hop does not answer, or a router sent ICMP";
explain_connect(eaddrnotavail) -> "no local port is free for this destination: TIME_WAIT, see ss -tan";
explain_connect(Reason) -> inet:format_error(Reason).

show() ->
    Options = [binary, {active, false}, {show_econnreset, true}, {exit_on_close, false}],
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}} | Options]),
    {ok, Port} = inet:port(Listener),
    {ok, Ours} = gen_tcp:connect({127, 0, 0, 1}, Port, Options),
    {ok, Theirs} = gen_tcp:accept(Listener),
    set_bounds(Ours, 6),
    #{state := 1} = tcp_info(Ours),
    false = is_silent(Ours, 6),
    ok = gen_tcp:send(Ours, <<0:8000>>),
    ok = gen_tcp:send(Theirs, "not read"),
    {ok, _} = gen_tcp:recv(Theirs, 1000, 1000),
    ok = gen_tcp:shutdown(Theirs, write),
    #{fin_acked := true, read := closed} = Receipt = close_with_receipt(Ours, 1000),
    io:format("closed: ~p~n", [Receipt]),
    gen_tcp:close(Listener),
    {error, Reason} = gen_tcp:connect({127, 0, 0, 1}, Port, Options, 1000),
    io:format("connect: ~s~n", [explain_connect(Reason)]).

watch(Socket, Seconds) ->
    case is_silent(Socket, Seconds) of
        false -> timer:sleep(50), watch(Socket, Seconds);
        true -> io:format("silent for ~.2f s~n", [maps:get(silence, tcp_info(Socket)) / 1000])
    end.

main([]) -> show();
main([Host, Port, Seconds]) ->
    {ok, Socket} = gen_tcp:connect(Host, list_to_integer(Port), [binary, {active, false}]),
    set_bounds(Socket, list_to_integer(Seconds)),
    io:format("watching~n"),
    watch(Socket, list_to_integer(Seconds)).
